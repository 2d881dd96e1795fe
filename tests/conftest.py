"""What tests of several files share as fixtures."""

import os

import pytest
from hypothesis import settings

from benchmark.data import datasets

settings.register_profile("suite", deadline=None, derandomize=True)  # the same examples on a machine of any load
settings.register_profile("thorough", deadline=None, max_examples=10_000)  # HYPOTHESIS_PROFILE=thorough pytest …
os.environ.pop("COLUMNS", None)  # of the terminal that the tests were started in: tables would wrap by it
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="session")
def digits() -> datasets.ImageData:
    return datasets.load("digits")
