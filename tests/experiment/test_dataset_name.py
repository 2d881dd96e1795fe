"""The short name of a data set by path."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.experiment.dataset_name import canonical_name
from benchmark.experiment.protocol import is_folder_name

anything = st.characters(exclude_characters="/\\\0")
parts = st.text(anything, min_size=1, max_size=20) | st.sampled_from([".", "..", ".npz"])


@given(st.lists(parts, min_size=1, max_size=4), st.booleans(), st.sampled_from(["", "/", "//", "/."]))
def test_a_data_set_is_called_by_the_last_part_of_its_path(path: list[str], absolute: bool, tail: str) -> None:
    text = "/" * absolute + "/".join(path) + tail
    name = canonical_name(text)
    assert "/" not in name
    assert name == canonical_name(os.path.abspath(text))
    assert name not in (".", "..")
    assert name == "" or is_folder_name(name)


@pytest.mark.parametrize("text", ["photos", "photos/", "./photos", "a/../photos/.", "photos.npz", "/x/photos.npz"])
def test_spellings_of_a_path_are_one_name(text: str) -> None:
    assert canonical_name(text) == "photos"
    assert canonical_name(str(Path(text))) == "photos"
