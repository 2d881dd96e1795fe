"""What can go wrong with files of results."""

from __future__ import annotations

from pathlib import Path


class StoreError(ValueError):
    """Files that cannot be used as they are; the message is one line that says what to change."""


class Damaged(StoreError):
    """A file that is not what was written; ``problem`` says on one line what is wrong with it.

    Reports leave it out, campaigns compute its run again, and ``--doctor`` lists it.
    """

    def __init__(self, path: Path, problem: str, remedy: str = "--doctor lists all problems of a folder") -> None:
        super().__init__(
            f"{path}, {problem}; {remedy}" if problem.startswith("line ") else f"{path}: {problem}; {remedy}"
        )
        self.path, self.problem, self.remedy = path, problem, remedy

    def __reduce__(self) -> tuple[type[Damaged], tuple[Path, str, str]]:
        return type(self), (self.path, self.problem, self.remedy)  # it travels between processes


class Busy(Exception):
    """Another process is computing this run."""
