"""What tests of several files share as fixtures."""

import pytest
from hypothesis import settings

from benchmark.data import datasets

settings.register_profile("suite", deadline=None, derandomize=True)  # the same examples on a machine of any load
settings.load_profile("suite")


@pytest.fixture(scope="session")
def digits() -> datasets.ImageData:
    return datasets.load("digits")
