"""What can go wrong with files of results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.results.locks import Holder


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


class StartedMeanwhile(Exception):
    """A run's file that another command began after this one had planned it, and that this one must not append to."""


class Busy(Exception):
    """Another process holds the lock at ``path``; ``holder`` is None where it has left no name."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        super().__init__(f"{path} is held by {holder or 'another process'}")
        self.path, self.holder = path, holder

    @property
    def who(self) -> str:
        """The holder in words."""
        return str(self.holder or "another process")
