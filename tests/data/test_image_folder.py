"""Image folders: both layouts, the split, sizes and modes, and everything that can be wrong with one."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data import image_files, image_folder
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


def test_images_of_one_size_keep_it_and_others_are_resized_and_cropped_when_told_to(tmp_path: Path) -> None:
    for part in ("train", "test"):
        save(tmp_path / part / "a" / "0.png", pixels(0, 48, 48))
        save(tmp_path / part / "b" / "0.png", pixels(1, 48, 48))
    assert load(str(tmp_path)).image_size == (48, 48)
    wide, tall = pixels(2, 40, 90), pixels(3, 25, 16)
    save(tmp_path / "train" / "a" / "1.png", wide)
    save(tmp_path / "train" / "b" / "1.png", tall)
    data = load(str(tmp_path), image_size=32)
    assert data.train_images.shape == (4, 32, 32, 3)
    assert data.note == "images resized and cropped to 32×32"
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
    with pytest.raises(DatasetError, match=r"b/x\.png: has more than 8 bits per channel .*\): save it with 8 bits"):
        load(str(tmp_path))
    for name in ("y", "z"):
        shutil.copy(tmp_path / "b" / "x.png", tmp_path / "b" / f"{name}.png")
    with pytest.raises(DatasetError, match=r"b/x\.png: has .*\), and 2 more: save them with 8 bits"):
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


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"),
        ("TRAIN", "VAL"),
        ("training", "testing"),
        ("Training_Set", "Test Set"),
        ("train2017", "val2017"),
        ("train-data", "valid"),
        ("train", "Validation"),
        ("01_train", "02_eval"),
    ],
)
def test_a_split_in_any_usual_spelling(tmp_path: Path, train: str, test: str) -> None:
    fill(tmp_path / train, {"ant": 3, "cat": 2})
    fill(tmp_path / test, {"ant": 1, "cat": 2})
    fill(tmp_path / "extra", {"dog": 1})
    data = load(str(tmp_path))
    assert (data.class_names, data.train_labels.tolist()) == (("ant", "cat"), [0, 0, 0, 1, 1])
    assert (data.test_labels.tolist(), data.note) == ([0, 1, 1], "")


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (("Train",), r"has a Train folder but no test \(or val\) folder beside it: add one"),
        (("Test", "other"), "has a Test folder but no train folder beside it: add one"),
        (("train", "Training", "test"), "Training and train may each be the train set: rename all but one"),
    ],
)
def test_half_a_split_is_no_classification_of_splits(tmp_path: Path, folders: tuple[str, ...], said: str) -> None:
    for name in folders:
        fill(tmp_path / name, {"ant": 2, "cat": 2})
    with pytest.raises(DatasetError, match=said):
        load(str(tmp_path))


def test_all_unreadable_images_are_named_at_once(tmp_path: Path) -> None:
    """Those without a header and those that end too early, of both splits."""
    fill(tmp_path / "train", {"a": 5, "b": 5})
    fill(tmp_path / "test", {"a": 2, "b": 2})
    cut, text, late = (tmp_path / name for name in ("train/a/01.png", "train/b/04.png", "test/b/00.png"))
    for path in (cut, late):
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError) as caught:
        load(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path}: 2 files are not readable images: {cut} (")
    text.write_text("hello")
    with pytest.raises(DatasetError) as caught:
        load(str(tmp_path))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: 3 files are not readable images: {cut} (")
    assert all(f"{path} (" in message for path in (text, late))
    assert message.endswith("): replace or remove them")
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_their_orientation_says(tmp_path: Path, kind: str, orientation: int) -> None:
    upright = Image.fromarray(np.kron(pixels(1, 2, 3), np.ones((24, 24, 1), np.uint8)))
    undo = {
        1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4,
    }[orientation]  # fmt: skip
    stored = upright if undo is None else upright.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for part in ("train", "test"):
        for name in ("a", "b"):
            path = tmp_path / part / name / f"0.{kind}"
            path.parent.mkdir(parents=True)
            stored.save(path, exif=exif, **({"lossless": True} if kind == "webp" else {}))
    data = load(str(tmp_path))
    assert data.image_size == (48, 72)
    assert np.abs(data.train_images[0].numpy().astype(int) - np.asarray(upright)).mean() < 3


def test_what_to_set_is_said_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed, large = tmp_path / "mixed", tmp_path / "large"
    fill(mixed, {"a": 3, "b": 3})
    save(mixed / "a" / "wide.png", pixels(0, 20, 90))
    for name in ("a", "b"):
        for number in range(2):
            save(large / name / f"{number}.png", Image.new("RGB", (4000, 3000)))
    with monkeypatch.context() as patched:
        patched.setattr(image_folder, "_decode", None)
        with pytest.raises(DatasetError, match=r"7 images of several sizes, 5×6 to 90×20 .* --set image_size=32 "):
            load(str(mixed))
        with pytest.raises(
            DatasetError, match=r"4 images of 4000×3000 pixels, 144\.0 MB in memory, .* too large .*=32 "
        ):
            load(str(large))
        patched.setattr(image_files, "_memory", lambda: 500)
        with pytest.raises(DatasetError, match=r"need 0\.8 kB, more than the 0\.5 kB of memory here"):
            load(str(mixed), image_size=6)
    said: list[str] = []
    assert load(str(mixed), image_size=8, say=said.append).train_images.shape[1:] == (8, 8, 3)
    assert said == [f"{mixed}: reading 7 images, 8×8 pixels, 1.3 kB in memory"]


def test_an_npz_larger_than_memory_is_refused_by_its_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {
        f"{kind}_{part}": np.zeros((40, 8, 8) if kind == "x" else 40, np.uint8)
        for kind in "xy"
        for part in ("train", "test")
    }
    np.savez_compressed(tmp_path / "own.npz", **arrays)
    monkeypatch.setattr(image_files, "_memory", lambda: 5199)
    with pytest.raises(DatasetError, match=r"own\.npz: the images need 5\.2 kB, more than the 5\.2 kB of memory here"):
        load(str(tmp_path / "own.npz"))


def test_only_folders_have_an_image_size(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="digits: image_size is for a folder of images"):
        load("digits", image_size=16)
