"""Learners: from labelled (and unlabelled) images to a fitted network, one per file."""

from __future__ import annotations

from benchmark.learners.learner import Learner
from benchmark.learners.registry import LEARNERS, PLUGINS, build, code_named, named, source_of

__all__ = ["LEARNERS", "PLUGINS", "Learner", "build", "code_named", "named", "source_of"]
