"""What tests of several files share as fixtures."""

import pytest

from benchmark.data import datasets


@pytest.fixture(scope="session")
def digits() -> datasets.ImageData:
    return datasets.load("digits")
