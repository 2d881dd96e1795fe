"""ImageData: what it refuses, its SHA-256, its moments, and moving it to another device."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.arrays import Arrays, checked
from benchmark.data.image_data import DatasetError, ImageData
from benchmark.training.batches import Images

RANDOM = np.random.default_rng(0)
VALID = {
    "train_images": RANDOM.integers(0, 256, (12, 5, 4, 3), np.uint8),
    "train_labels": np.arange(12) % 3,
    "test_images": RANDOM.integers(0, 256, (6, 5, 4, 3), np.uint8),
    "test_labels": np.arange(6) % 3,
}


def make(**changes: Any) -> ImageData:
    """The valid dataset, three classes of 5×4 colour images, with some of its parts changed."""
    return checked("set", Arrays("here", **(VALID | changes)))


def test_shapes_types_and_properties() -> None:
    data = make(note="a note")
    for part, values in VALID.items():
        assert np.array_equal(getattr(data, part), values)
    assert data.train_images.dtype == data.test_images.dtype == torch.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == torch.int64
    assert (data.name, data.class_names, data.note) == ("set", ("0", "1", "2"), "a note")
    assert (data.class_count, data.channels, data.image_size) == (3, 3, (5, 4))
    assert "tensor" not in repr(data)


def test_sha256_is_the_documented_one() -> None:
    content = b""
    for part, values in VALID.items():
        little = values if part.endswith("images") else values.astype("<i8")
        content += str(values.shape).encode() + little.tobytes()
    assert make().sha256 == hashlib.sha256(content).hexdigest()
    assert make(class_names=("a", "b", "c"), note="from elsewhere").sha256 == make().sha256


def test_sha256_sees_every_array_and_every_shape() -> None:
    changes: list[dict[str, Any]] = [{}]
    for part, values in VALID.items():
        swapped = values.copy()
        swapped[:2] = values[1::-1]
        changes.append({part: swapped})
    changes.append({part: VALID[part].reshape(-1, 4, 5, 3) for part in ("train_images", "test_images")})
    assert len({make(**change).sha256 for change in changes}) == len(changes)


@pytest.mark.parametrize("kind", ["u1", "i4", "u8", ">i8"])
def test_labels_of_any_integer_type_in_a_row_or_a_column_are_the_same(kind: str) -> None:
    labels = {part: VALID[part].astype(kind) for part in ("train_labels", "test_labels")}
    assert make(**labels).sha256 == make().sha256
    assert make(**{part: values[:, None] for part, values in labels.items()}).sha256 == make().sha256


def test_arrays_in_any_memory_order_are_the_same() -> None:
    fortran = {part: np.asfortranarray(values) for part, values in VALID.items()}
    strided = {part: np.repeat(values, 2, axis=0)[::2] for part, values in VALID.items()}
    for parts in (fortran, strided):
        assert make(**parts).sha256 == make().sha256
        assert make(**parts).train_images.is_contiguous()


def test_grey_images_are_the_same_with_or_without_a_channel_axis() -> None:
    grey = {part: VALID[part][..., 0] for part in ("train_images", "test_images")}
    data = make(**grey)
    assert (data.train_images.shape, data.channels) == ((12, 5, 4, 1), 1)
    assert data.sha256 == make(**{part: images[..., None] for part, images in grey.items()}).sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": np.zeros((12, 5, 4, 3), "f4")}, "training images are float32 .* are uint8 0–255"),
        ({"test_images": np.zeros((6, 5, 4, 3), int)}, "test images are int64 .* are uint8 0–255"),
        ({"train_images": np.full((12, 5, 4, 3), 0.7)}, r"images \(255 \* x\)\.round\(\)\.astype\(np\.uint8\)"),
        ({"train_images": np.full((12, 5, 4, 3), 254.0)}, r"images \(x\)\.round\(\)\.astype\(np\.uint8\)"),
        (
            {"train_images": np.zeros((12, 3, 5, 4), "u1")},
            r"images have shape \(12, 3, 5, 4\): .* C = 1 or 3: call \.transpose\(0, 2, 3, 1\)",
        ),
        (
            {"train_images": np.zeros((12, 60), "u1")},
            r"training images are uint8 of shape \(12, 60\): .* call .astype\(np.float32\)",
        ),
        ({"test_images": np.zeros((0, 5, 4, 3), "u1")}, r"test images have shape \(0, 5, 4, 3\): there must be one"),
        ({"test_images": np.zeros((6, 4, 4, 3), "u1")}, "are images of 5×4 pixels .* images of 4×4 pixels .* be alike"),
        ({"test_images": np.zeros((6, 5, 4), "u1")}, "and 3 channels, .* and 1 channel: they must be alike"),
        ({"train_labels": np.arange(11) % 3}, r"training labels have shape \(11,\): for 12 .* \(12,\)"),
        ({"test_labels": np.eye(6, dtype=int)}, r"test labels have shape \(6, 6\)"),
        (
            {"train_labels": np.arange(12) % 3 / 1},
            "training labels are float64: labels must be integers.* call .astype\\(np.int64\\)",
        ),
        (
            {"test_labels": np.array([0, np.nan, 2, 0, np.inf, 1])},
            "test labels: 2 of 6 are NaN or infinite: leave those rows out",
        ),
        ({"train_labels": np.arange(12) % 3 + 1}, "training labels are 1, 2, 3: they must be 0…C−1"),
        ({"train_labels": np.arange(12) % 3 - 1}, "training labels are -1, 0, 1: they must be 0…C−1"),
        ({"train_labels": np.arange(12) % 6 * 10**12}, "are 0, 1000000000000, .*, …: they must be 0…C−1"),
        ({"train_labels": np.zeros(12, int)}, "training labels are 0: they must be .* at least two"),
        ({"test_labels": np.array([0, 1, 2, 0, 1, 3])}, "test labels must be 0…2"),
        ({"test_labels": np.array([0, 1, 2, 0, 1, -1])}, "test labels must be 0…2"),
        ({"class_names": ("a", "b")}, "3 classes, but the number of class names is 2"),
    ],
)
def test_what_a_dataset_must_not_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        make(**changes)
    assert str(caught.value).startswith("here: ")
    assert "\n" not in str(caught.value)


def test_moments_are_those_of_all_training_images_whatever_the_threads_and_the_device() -> None:
    data, again = make(), make()
    scaled = VALID["train_images"].reshape(-1, 3) / 255
    torch.testing.assert_close(data.mean, torch.tensor(scaled.mean(axis=0), dtype=torch.float32))
    torch.testing.assert_close(data.std, torch.tensor(scaled.std(axis=0), dtype=torch.float32))
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        others = [(again.mean, again.std)]
    finally:
        torch.set_num_threads(threads)
    if torch.cuda.is_available():
        on_gpu = data.to("cuda")
        assert on_gpu.mean.is_cuda
        others.append((on_gpu.mean.cpu(), on_gpu.std.cpu()))
    assert all(torch.equal(data.mean, mean) and torch.equal(data.std, std) for mean, std in others)


def test_moments_are_exact_where_sums_in_float32_are_not() -> None:
    images = np.full((400, 200, 200), 254, np.uint8)
    images[:, 0, 0] = 253
    images[:, 0, 1:3] = 255
    data = make(train_images=images, train_labels=np.arange(400) % 3, test_images=images[:6])
    share = 1 / 40_000
    assert data.mean.item() == np.float32((254 + share) / 255)
    assert data.std.item() == np.float32(np.sqrt(3 * share - share**2) / 255)


def test_a_constant_channel_can_be_divided_by_its_std() -> None:
    images = VALID["train_images"].copy()
    images[..., 2] = 7
    data = make(train_images=images)
    assert data.std[2] == 1
    assert data.mean[2] == torch.tensor(7 / 255)


def test_to_moves_every_tensor_and_keeps_the_rest() -> None:
    data = make(class_names=("a", "b", "c"), note="a note")
    moved = data.to("meta")
    assert all(getattr(moved, part).device.type == "meta" for part in VALID)
    assert all(getattr(moved, key) == getattr(data, key) for key in ("name", "class_names", "sha256", "note"))


# --- embeddings


def vectors(**changes: Any) -> Arrays:
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.normal(3.0, 2.0, (12, 5)),
        "train_labels": np.arange(12) % 3,
        "test_images": rng.normal(3.0, 2.0, (6, 5)),
        "test_labels": np.arange(6) % 3,
    }
    return Arrays("here", **{**arrays, **changes})


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8"])
def test_embeddings_are_images_of_one_pixel(dtype: str) -> None:
    arrays = vectors()
    arrays = arrays._replace(
        train_images=arrays.train_images.astype(dtype), test_images=arrays.test_images.astype(dtype)
    )
    data = checked("mine", arrays)
    assert data.are_embeddings
    assert (data.train_images.shape, data.train_images.dtype) == ((12, 1, 1, 5), torch.float32)
    assert (data.channels, data.image_size) == (5, (1, 1))
    normalised = Images(data.train_images, data.mean, data.std).normalised(torch.arange(12))
    assert normalised.shape == (12, 5, 1, 1)
    expected = arrays.train_images.astype("f8")
    expected = (expected - expected.mean(0)) / expected.std(0)
    np.testing.assert_allclose(normalised.flatten(1).numpy(), expected, atol=2e-6)


def test_a_constant_dimension_is_zero_and_one_scale_keeps_proportions() -> None:
    arrays = vectors()
    arrays.train_images[:, 2] = 7.5
    arrays.train_images[:, 0] *= 100
    data = checked("mine", arrays)
    rows = Images(data.train_images, data.mean, data.std).normalised(torch.arange(12)).flatten(1)
    assert not rows[:, 2].any()
    data = replace(data, one_scale=True)
    rows = Images(data.train_images, data.mean, data.std).normalised(torch.arange(12)).flatten(1)
    assert rows[:, 0].std() > 50 * rows[:, 1].std()
    assert float(rows.square().mean()) == pytest.approx(1.0, rel=0.3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": np.full((12, 5), np.nan)}, "training embeddings have NaN or infinite values in 12 rows"),
        ({"test_images": np.full((6, 5), 1e300)}, r"test embeddings have values beyond 1e\+37 in 6 rows, the first 0"),
        ({"test_images": np.zeros((6, 4))}, "of 5 dimensions, .* embeddings of 4 dimensions: they must be alike"),
        ({"train_images": np.zeros((12, 0))}, r"training embeddings have shape \(12, 0\)"),
        (
            {"train_images": np.zeros((12, 5), int)},
            r"images are int64 .* embeddings floating-point numbers, \(N, D\): call",
        ),
        ({"test_images": np.zeros((6, 5, 4, 3), "u1")}, "are embeddings of 5 dimensions, the test examples images of"),
        ({"train_images": np.zeros(12)}, r"training images are float64 of shape \(12,\): .* embeddings .* \(N, D\)"),
        (
            {"train_labels": np.array(list("abc"))[np.arange(12) % 3]},
            "the training labels are <U1, the test labels int",
        ),
        ({"train_labels": np.arange(12) % 3 * 7}, r"are 0, 7, 14: .* saved with .astype\(str\) are names"),
    ],
)
def test_what_embeddings_must_not_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        checked("mine", vectors(**changes))
    assert "\n" not in str(caught.value)


def test_labels_may_be_words_or_one_hot_rows() -> None:
    words = np.array(["pear", "fig", "apple"])
    data = checked("mine", vectors(train_labels=words[np.arange(12) % 3], test_labels=words[[1, 1, 0, 2, 2, 2]]))
    assert data.class_names == ("apple", "fig", "pear")
    assert data.train_labels[:3].tolist() == [2, 1, 0]
    assert data.test_labels.tolist() == [1, 1, 2, 0, 0, 0]
    for kind in ("f8", "i8", "?"):
        hot = np.eye(3, dtype=kind)
        rows = checked("mine", vectors(train_labels=hot[np.arange(12) % 3], test_labels=hot[[1, 1, 0, 2, 2, 2]]))
        assert rows.test_labels.tolist() == [1, 1, 0, 2, 2, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_labels": np.array(["a", "b"] * 6), "test_labels": np.array(["a", "c"] * 3)},
            "the test label c is not among the training labels",
        ),
        (
            {"train_labels": np.full((12, 3), 1 / 3), "test_labels": np.eye(3)[np.arange(6) % 3]},
            "training labels are 3 columns that are not one-hot",
        ),
        (
            {"train_labels": np.eye(3)[np.arange(12) % 3], "test_labels": np.zeros((6, 3))},
            "test labels are 3 columns that are not one-hot",
        ),
        ({"train_labels": np.array(["a"] * 12), "test_labels": np.array(["a"] * 6)}, "at least two"),
    ],
)
def test_labels_that_are_neither(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        checked("mine", vectors(**changes))
