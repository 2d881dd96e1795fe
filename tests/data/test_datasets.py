"""Datasets by name and path: names, .npz archives, the embedded digits, and the real sets where they are."""

import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from benchmark.data import datasets
from benchmark.data.datasets import DatasetError, load
from benchmark.experiment.dataset_name import canonical_name

DATA = Path(__file__).resolve().parents[2] / "data"
RANDOM = np.random.default_rng(0)
ARRAYS = {
    "x_train": RANDOM.integers(0, 256, (12, 5, 4, 3), np.uint8),
    "y_train": np.arange(12) % 3,
    "x_test": RANDOM.integers(0, 256, (6, 5, 4, 3), np.uint8),
    "y_test": np.arange(6) % 3,
}


def write(path: Path, **changes: Any) -> str:
    """A small valid archive with some arrays changed; its path."""
    np.savez(path, **(ARRAYS | changes))
    return str(path)


def test_an_npz_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = load(write(tmp_path / "set.npz"))
    parts = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    assert all(np.array_equal(part, values) for part, values in zip(parts, ARRAYS.values(), strict=True))
    assert (data.name, data.class_names, data.note) == ("set", ("0", "1", "2"), "")
    on_meta = load(str(tmp_path / "set.npz"), device="meta")
    assert on_meta.test_labels.device.type == "meta"
    assert on_meta.sha256 == data.sha256


def test_class_names_and_note_come_from_the_npz(tmp_path: Path) -> None:
    exact = np.ones(12, bool)
    exact[[2, 5]] = False
    names = np.array(["ant", "bee", "čmelák"])
    data = load(write(tmp_path / "set.npz", class_names=names, exact_train=exact, exact_test=np.ones(6, bool)))
    assert data.class_names == ("ant", "bee", "čmelák")
    assert data.note == "16 of 18 images pixel-exact"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": ARRAYS["x_train"] / 255}, "training images are float64 .*: images are uint8 0–255"),
        ({"y_test": np.arange(6)}, "test labels must be 0…2"),
        (
            {"x_train": np.array([{}], object)},
            "not an .npz of plain arrays.*Object arrays cannot.*as .toarray",
        ),
        ({"class_names": np.array(["a", "b", "c"], object)}, "Object arrays cannot be loaded"),
    ],
)
def test_errors_name_the_npz(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        load(write(tmp_path / "set.npz", **changes))
    assert str(caught.value).startswith(f"{tmp_path}/set.npz: ")
    assert "\n" not in str(caught.value)


def test_a_damaged_npz_is_named(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "set.npz"))
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        pixel = archive.infolist()[0].header_offset + 400
    flipped = whole[:pixel] + bytes([whole[pixel] ^ 1]) + whole[pixel + 1 :]
    for content in (whole[: len(whole) // 2], whole[:-1], flipped, b"", b"not an archive"):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"set\.npz: not an \.npz of plain arrays, or damaged"):
            load(str(path))
    with path.open("wb") as file:
        np.save(file, ARRAYS["x_train"])
    with pytest.raises(DatasetError, match=r"set\.npz: not an \.npz"):
        load(str(path))


def test_a_missing_npz_and_missing_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.npz: no such file"):
        load(str(tmp_path / "none.npz"))
    np.savez(tmp_path / "half.npz", x_train=ARRAYS["x_train"], x_test=ARRAYS["x_test"])
    with pytest.raises(DatasetError, match=r"half\.npz: lacks y_train, y_test: the keys are x_train, y_train"):
        load(str(tmp_path / "half.npz"))


def test_names_descriptions_and_short_names() -> None:
    assert datasets.names() == ("digits", "mnist", "fashion-mnist", "kmnist", "svhn", "cifar10", "cifar100")
    assert all(datasets.describe(name) and "\n" not in datasets.describe(name) for name in datasets.names())
    paths = ("cifar10", "a/b.npz", "photos/", "../x/photos.v2", "p/..")
    short = [canonical_name(path) for path in paths]
    assert short == ["cifar10", "b", "photos", "photos.v2", Path.cwd().name]


def test_unknown_names_get_a_suggestion() -> None:
    known = "known: digits, mnist, fashion-mnist, kmnist, svhn, cifar10, cifar100"
    with pytest.raises(DatasetError) as caught:
        load("mnits")
    assert str(caught.value) == (
        f"unknown dataset 'mnits': did you mean mnist? ({known}; or a path to an .npz or an image folder)"
    )
    for name, guess in (("CIFAR-10", "cifar10"), ("fashion_mnist", "fashion-mnist"), ("MNIST", "mnist")):
        with pytest.raises(DatasetError, match=f"did you mean {guess}\\?"):
            load(name)
    with pytest.raises(DatasetError, match=r"unknown dataset 'photos/' \(known"):
        datasets.describe("photos/")


def test_digits_are_embedded_and_fixed(tmp_path: Path) -> None:
    data = load("digits", tmp_path / "nothing", download=False)
    assert data.sha256 == "c5c3e031badd0e76601d48a72238c155b63c539906b949574f6be296da169215"
    assert (data.train_images.shape, data.test_images.shape) == ((1258, 8, 8, 1), (539, 8, 8, 1))
    original = load_digits()
    for digit, total in enumerate(np.bincount(original.target)):
        assert (data.test_labels == digit).sum() == round(0.3 * total)
        assert (data.train_labels == digit).sum() == total - round(0.3 * total)
    images = torch.cat([data.train_images, data.test_images]).flatten(1)
    labels = torch.cat([data.train_labels, data.test_labels])
    found = torch.cat([images, labels[:, None]], dim=1).tolist()
    scaled = [[int(value * 255 / 16 + 0.5) for value in image.flat] for image in original.images]
    expected = [[*image, label] for image, label in zip(scaled, original.target, strict=True)]
    assert sorted(found) == sorted(expected)
    assert not (tmp_path / "nothing").exists()


def test_an_npz_of_a_known_name_comes_first_and_has_the_known_class_names(tmp_path: Path) -> None:
    write(tmp_path / "cifar10.npz", y_train=np.arange(12) % 10)
    data = load("cifar10", tmp_path, download=False)
    assert np.array_equal(data.train_images, ARRAYS["x_train"])
    assert (data.name, data.class_names[3]) == ("cifar10", "cat")
    write(tmp_path / "mnist.npz")
    with pytest.raises(DatasetError, match=r"mnist\.npz: .* 3 classes, but the number of class names is 10"):
        load("mnist", tmp_path, download=False)


@pytest.mark.skipif(not (DATA / "MNIST" / "raw").is_dir(), reason="data/MNIST/raw is not there")
def test_the_real_mnist(tmp_path: Path) -> None:
    data = load("mnist", DATA, download=False)
    assert (data.train_images.shape, data.test_images.shape) == ((60_000, 28, 28, 1), (10_000, 28, 28, 1))
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.train_labels.bincount().tolist() == counts
    assert data.test_labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (round(data.mean.item(), 4), round(data.std.item(), 4)) == (0.1307, 0.3081)
    np.savez(
        tmp_path / "mnist.npz",
        x_train=data.train_images[..., 0],
        y_train=data.train_labels.to(torch.uint8),
        x_test=data.test_images[..., 0],
        y_test=data.test_labels.to(torch.uint8),
    )
    assert load("mnist", tmp_path, download=False).sha256 == data.sha256


@pytest.mark.skipif(not (DATA / "cifar10.npz").is_file(), reason="data/cifar10.npz is not there")
def test_the_real_cifar10() -> None:
    started = time.perf_counter()
    data = load("cifar10", DATA, download=False)
    assert time.perf_counter() - started < 10
    assert (data.train_images.shape, data.test_images.shape) == ((50_000, 32, 32, 3), (10_000, 32, 32, 3))
    assert data.train_labels.bincount().tolist() == [5000] * 10
    assert data.test_labels.bincount().tolist() == [1000] * 10
    torch.testing.assert_close(data.mean, torch.tensor([0.4914, 0.4822, 0.4465]), atol=1e-4, rtol=0)
    torch.testing.assert_close(data.std, torch.tensor([0.2470, 0.2435, 0.2616]), atol=1e-4, rtol=0)
    assert data.class_names[int(data.train_labels[0])] == "frog"
    assert data.note in ("", "59,908 of 60,000 images pixel-exact")


# --- labels that are strings

WORDS = np.array(["cat", "dog", "ant"])


@pytest.mark.parametrize("kind", ["U", "S"])
def test_strings_are_numbered_as_their_names_are(tmp_path: Path, kind: str) -> None:
    words = {f"y_{part}": WORDS[ARRAYS[f"y_{part}"]].astype(kind) for part in ("train", "test")}
    named = load(write(tmp_path / "a.npz", **words, class_names=WORDS))
    assert named.class_names == ("cat", "dog", "ant")
    assert named.train_labels.tolist() == ARRAYS["y_train"].tolist()
    assert named.test_labels.tolist() == ARRAYS["y_test"].tolist()
    sorted_ = load(write(tmp_path / "b.npz", **words))
    assert sorted_.class_names == ("ant", "cat", "dog")
    assert [sorted_.class_names[i] for i in sorted_.train_labels.tolist()] == WORDS[ARRAYS["y_train"]].tolist()


def test_strings_of_a_known_data_set_are_its_names_or_numbers(tmp_path: Path) -> None:
    numbers = np.arange(12) % 10
    write(tmp_path / "cifar10.npz", y_train=numbers)
    known = load("cifar10", tmp_path)
    for words in (numbers.astype(str), np.array(known.class_names)[numbers]):
        write(tmp_path / "cifar10.npz", y_train=words, y_test=words[:6])
        data = load("cifar10", tmp_path)
        assert data.train_labels.tolist() == known.train_labels.tolist()
        assert data.class_names[3] == "cat"


def test_text_and_bytes_are_alike(tmp_path: Path) -> None:
    of_test = WORDS[ARRAYS["y_test"]].astype("S")
    data = load(write(tmp_path / "a.npz", y_train=WORDS[ARRAYS["y_train"]], y_test=of_test))
    assert [data.class_names[i] for i in data.test_labels.tolist()] == of_test.astype(str).tolist()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"class_names": ["cat", "dog", "owl"]}, "the label ant is not among the class names"),
        ({"class_names": ["cat", "dog", "dog"], "y_train": ARRAYS["y_train"]}, "two classes are named 'dog'"),
        ({"y_train": np.zeros(0, "U3")}, "there is no training label"),
    ],
)
def test_names_that_do_not_fit_are_one_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    words = {"y_train": WORDS[ARRAYS["y_train"]], "y_test": WORDS[ARRAYS["y_test"]]}
    if changes.get("y_train", WORDS).dtype.kind == "i":
        words["y_test"] = ARRAYS["y_test"]
    with pytest.raises(DatasetError, match=said) as caught:
        load(write(tmp_path / "a.npz", **(words | changes)))
    assert "\n" not in str(caught.value)


def test_medmnists_keys_are_read_without_its_validation_images(tmp_path: Path) -> None:
    keys = ("train_images", "train_labels", "test_images", "test_labels")
    arrays = dict(zip(keys, ARRAYS.values(), strict=True))
    arrays |= {"train_labels": arrays["train_labels"][:, None], "test_labels": arrays["test_labels"][:, None]}
    np.savez(tmp_path / "med.npz", **arrays, val_images=ARRAYS["x_test"], val_labels=ARRAYS["y_test"][:, None])
    data = load(str(tmp_path / "med.npz"))
    assert data.sha256 == load(write(tmp_path / "keras.npz")).sha256
    assert data.note == "without its 6 validation images"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (ARRAYS["x_train"].astype(np.uint16) * 256, r"call \(x // 256\).astype\(np.uint8\)"),
        (ARRAYS["x_train"].astype(np.int32), r"call x.astype\(np.uint8\)"),
        (ARRAYS["x_train"] > 127, r"call \(255 \* x\).astype\(np.uint8\)"),
    ],
)
def test_images_of_another_type_are_told_the_way_out(tmp_path: Path, values: np.ndarray, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        load(write(tmp_path / "a.npz", x_train=values))
