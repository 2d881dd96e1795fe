"""Learners: from labelled (and unlabelled) images to a fitted network, a file each."""

from __future__ import annotations

from benchmark.learners import (  # noqa: F401
    fixmatch,
    flexmatch,
    freematch,
    noisy_student,
    pseudo_label,
    self_training,
    softmatch,
    supervised,
)
from benchmark.learners.registry import LEARNERS, Learner, build, register

__all__ = ["LEARNERS", "Learner", "build", "register", "supervised"]
