"""What can go wrong with files of results."""

from __future__ import annotations


class StoreError(ValueError):
    """Files that cannot be used as they are; the message is one line that says what to change."""


class Busy(Exception):
    """Another process is computing this run."""
