"""Image folders: both layouts, the split, sizes and modes, and everything that can be wrong with one."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.datasets import DatasetError, load


def pixels(seed: int, height: int = 6, width: int = 5, channels: tuple[int, ...] = (3,)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, *channels), np.uint8)


def save(path: Path, image: np.ndarray | Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path)


def fill(folder: Path, counts: dict[str, int], first_seed: int = 0) -> None:
    """``counts`` random images in each class folder."""
    for name, count in counts.items():
        for number in range(count):
            save(folder / name / f"{number:02}.png", pixels(first_seed + number + 100 * ord(name[0])))


@pytest.mark.parametrize("test_name", ["test", "val"])
def test_train_and_test_folders(tmp_path: Path, test_name: str) -> None:
    fill(tmp_path / "train", {"cat": 2, "ant": 3})
    fill(tmp_path / test_name, {"ant": 1, "cat": 2}, first_seed=50)
    data = load(str(tmp_path))
    assert (data.class_names, data.name, data.note) == (("ant", "cat"), tmp_path.name, "")
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1]
    assert data.test_labels.tolist() == [0, 1, 1]
    assert np.array_equal(data.train_images[2], pixels(2 + 100 * ord("a")))
    assert np.array_equal(data.test_images[1], pixels(50 + 100 * ord("c")))


def test_test_is_preferred_to_val(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": 1, "b": 1})
    fill(tmp_path / "test", {"a": 2, "b": 2})
    fill(tmp_path / "val", {"a": 3, "b": 3})
    assert len(load(str(tmp_path)).test_labels) == 4


def test_one_folder_is_split_by_class_and_reproducibly(tmp_path: Path) -> None:
    fill(tmp_path / "one", {"a": 20, "b": 7, "c": 2})
    data = load(str(tmp_path / "one"))
    assert data.test_labels.bincount().tolist() == [4, 1, 1]
    assert data.train_labels.bincount().tolist() == [16, 6, 1]
    assert data.note == "test set: 20% of each class, split seed 0"
    both = [image.tobytes() for part in (data.train_images, data.test_images) for image in part.numpy()]
    assert len(set(both)) == len(both) == 29
    shutil.copytree(tmp_path / "one", tmp_path / "two")  # elsewhere and with other times: the same split
    assert load(str(tmp_path / "two")).sha256 == data.sha256
    assert len({load(str(tmp_path / "one"), seed_split=seed).sha256 for seed in range(5)}) == 5
    Image.fromarray(pixels(999)).save(tmp_path / "two" / "b" / "more.png")  # changes no other class
    grown = load(str(tmp_path / "two"))
    assert np.array_equal(grown.test_images[grown.test_labels == 0], data.test_images[data.test_labels == 0])


def test_split_is_pinned(tmp_path: Path) -> None:
    """The split must never change under a dataset: results on disk depend on it."""
    for name in ("a", "b"):
        for number in range(10):
            save(tmp_path / name / f"{number}.png", np.full((2, 2), number, np.uint8))
    assert load(str(tmp_path)).test_images[:, 0, 0, 0].tolist() == [1, 5, 5, 8]


def test_train_without_subfolders_is_a_class_like_any_other(tmp_path: Path) -> None:
    fill(tmp_path, {"bus": 2, "train": 2})
    assert load(str(tmp_path)).class_names == ("bus", "train")


def test_hidden_files_and_files_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 3, "b": 3})
    before = load(str(tmp_path)).sha256
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / "a" / ".hidden.png").write_text("not an image")
    (tmp_path / "a" / ".cache").mkdir()
    (tmp_path / "a" / ".cache" / "1.png").write_text("not an image")
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("not a class")
    assert load(str(tmp_path)).sha256 == before


def test_images_lie_below_their_class_and_have_any_format(tmp_path: Path) -> None:
    for name, shift in (("a", 0), ("b", 10)):
        for number, extension in enumerate(("bmp", "PNG", "tiff", "webp", "ppm")):
            image = Image.fromarray(pixels(number + shift))
            path = tmp_path / "train" / name / "deep" / f"{number}.{extension}"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path, lossless=True) if extension == "webp" else image.save(path)
        save(tmp_path / "test" / name / "0.png", pixels(99))
    data = load(str(tmp_path))
    assert np.array_equal(data.train_images, [pixels(number + shift) for shift in (0, 10) for number in range(5)])


def test_images_of_one_size_keep_it_and_others_are_resized_and_cropped(tmp_path: Path) -> None:
    for part in ("train", "test"):
        save(tmp_path / part / "a" / "0.png", pixels(0, 48, 48))
        save(tmp_path / part / "b" / "0.png", pixels(1, 48, 48))
    assert load(str(tmp_path)).image_size == (48, 48)
    wide, tall = pixels(2, 40, 90), pixels(3, 25, 16)
    save(tmp_path / "train" / "a" / "1.png", wide)
    save(tmp_path / "train" / "b" / "1.png", tall)
    data = load(str(tmp_path))
    assert data.train_images.shape == (4, 32, 32, 3)
    assert data.note == "images of several sizes, resized and cropped to 32×32"
    bilinear = Image.Resampling.BILINEAR  # the central square, to 32×32
    expected = Image.fromarray(wide).resize((32, 32), bilinear, box=(25, 0, 65, 40))
    assert np.array_equal(data.train_images[1], np.asarray(expected))
    expected = Image.fromarray(tall).resize((32, 32), bilinear, box=(0, 4.5, 16, 20.5))
    assert np.array_equal(data.train_images[3], np.asarray(expected))


def test_grey_stays_grey_only_if_all_files_are(tmp_path: Path) -> None:
    grey = pixels(0, channels=())
    for part in ("train", "test"):
        save(tmp_path / part / "a" / "0.png", grey)
        save(tmp_path / part / "b" / "0.png", Image.fromarray(grey > 99))  # mode 1
    data = load(str(tmp_path))
    assert np.array_equal(data.train_images[..., 0], [grey, np.where(grey > 99, 255, 0)])
    save(tmp_path / "train" / "b" / "1.png", Image.fromarray(pixels(1)).convert("RGBA"))
    data = load(str(tmp_path))
    assert np.array_equal(data.train_images[0], np.stack([grey] * 3, axis=2))
    assert np.array_equal(data.train_images[2], pixels(1))


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_a_corrupt_image_is_named(tmp_path: Path, damage: str) -> None:
    fill(tmp_path, {"a": 5, "b": 5})
    path = tmp_path / "b" / "03.png"
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[damage])
    with pytest.raises(DatasetError, match=r"b/03\.png: not a readable image .*: replace or remove it") as caught:
        load(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_more_than_eight_bits_are_refused_rather_than_clipped(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 2, "b": 2})
    save(tmp_path / "b" / "x.png", Image.fromarray(pixels(0, channels=()).astype(np.uint16) * 257))
    with pytest.raises(DatasetError, match=r"b/x\.png: has more than 8 bits per channel .*: save it with 8 bits"):
        load(str(tmp_path))


def test_what_is_wrong_with_a_layout_is_said(tmp_path: Path) -> None:
    fill(tmp_path / "differ" / "train", {"ant": 1, "cat": 1})
    fill(tmp_path / "differ" / "test", {"ant": 1, "dog": 1})
    fill(tmp_path / "half" / "train", {"ant": 1, "cat": 1})
    fill(tmp_path / "empty", {"ant": 2})
    (tmp_path / "empty" / "cat").mkdir()
    fill(tmp_path / "single", {"ant": 2, "cat": 1})
    save(tmp_path / "flat" / "0.png", pixels(0))
    fill(tmp_path / "lonely", {"ant": 2})
    messages = {
        "differ": r"differ: train and test must .*: cat \(only in train\), dog \(only in test\)$",
        "half": r"half: has a train folder but no test \(or val\) folder",
        "empty": r"empty/cat: no images in this class folder",
        "single": r"single/cat: one image cannot be both train and test",
        "flat": r"flat: no class folders: images belong in .*flat/<class>/$",
        "lonely": r"lonely: the training labels are 0: .* at least two",
    }
    for name, message in messages.items():
        with pytest.raises(DatasetError, match=message):
            load(str(tmp_path / name))
