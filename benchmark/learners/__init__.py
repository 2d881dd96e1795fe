"""Learners: from labelled (and unlabelled) images to a fitted network, one per file."""

from __future__ import annotations

from benchmark.learners.learner import Learner
from benchmark.learners.registry import LEARNERS, build

__all__ = ["LEARNERS", "Learner", "build"]
