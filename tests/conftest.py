"""What tests of several files share as fixtures."""

import os

import pytest
import torch
from hypothesis import settings

from benchmark.data import datasets
from benchmark.text import status

settings.register_profile("suite", deadline=None, derandomize=True)  # the same examples on a machine of any load
settings.register_profile("thorough", deadline=None, max_examples=10_000)  # HYPOTHESIS_PROFILE=thorough pytest …
os.environ.pop("COLUMNS", None)  # of the terminal that the tests were started in: tables would wrap by it
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
# Of several processes (pytest -n auto) each has its share of the cores.
THREADS = max(1, torch.get_num_threads() // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)))
torch.set_num_threads(THREADS)


@pytest.fixture(autouse=True)
def same_threads() -> None:
    """A command run in this process goes on with one thread: the next test must not inherit that."""
    torch.set_num_threads(THREADS)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command prints in this process does not depend on how long it takes."""
    monkeypatch.setattr(status, "PATIENCE", 3600.0)


@pytest.fixture(scope="session")
def digits() -> datasets.ImageData:
    return datasets.load("digits")
