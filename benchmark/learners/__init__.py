"""Learners: from labelled (and unlabelled) images to a fitted network, a file each."""

from __future__ import annotations

from benchmark.learners import fixmatch, flexmatch, freematch, pseudo_label, softmatch, supervised  # noqa: F401
from benchmark.learners.registry import LEARNERS, Learner, build, register

__all__ = ["LEARNERS", "Learner", "build", "register", "supervised"]
