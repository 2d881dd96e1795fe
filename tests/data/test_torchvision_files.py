"""torchvision's files, made small here: read, downloaded once, missing and damaged; without the network."""

import hashlib
import pickle
import threading
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import scipy.io
from torchvision import datasets as torchvision_datasets

from benchmark.data import torchvision_files
from benchmark.data.datasets import DatasetError, load

LABELS = np.arange(20) % 10


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise URLError("no network here")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_mnist(data_dir: Path, folder: str = "MNIST") -> np.ndarray:
    """The four files with 20 images each; the training images come back."""
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 28, 28), np.uint8)
    raw = data_dir / folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for prefix, part in (("train", images[0]), ("t10k", images[1])):
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx(part))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return images[0]


def write_cifar(data_dir: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Batches as torchvision reads them, with their own MD5 sums; the images (N, C, H, W) come back."""
    loader = getattr(torchvision_datasets, name)
    (data_dir / loader.base_folder).mkdir(parents=True)
    images = np.random.default_rng(1).integers(0, 256, (20, 3, 32, 32), np.uint8)
    batch = {
        "data": images.reshape(20, -1),
        "labels" if name == "CIFAR10" else "fine_labels": LABELS.tolist(),
    }
    meta = {loader.meta["key"]: [f"thing {label}" for label in range(10)]}

    def write(file: str, content: dict) -> list[str]:
        data = pickle.dumps(content)
        (data_dir / loader.base_folder / file).write_bytes(data)
        return [file, hashlib.md5(data).hexdigest()]

    monkeypatch.setattr(loader, "train_list", [write(loader.train_list[0][0], batch)])
    monkeypatch.setattr(loader, "test_list", [write(loader.test_list[0][0], batch)])
    file, md5 = write(loader.meta["filename"], meta)
    monkeypatch.setattr(loader, "meta", loader.meta | {"filename": file, "md5": md5})
    return images


@pytest.mark.parametrize(
    ("name", "folder", "third"),
    [("mnist", "MNIST", "2"), ("fashion-mnist", "FashionMNIST", "pullover"), ("kmnist", "KMNIST", "su")],
)
def test_idx_files_are_found(tmp_path: Path, name: str, folder: str, third: str) -> None:
    images = write_mnist(tmp_path, folder)
    data = load(name, tmp_path, download=False)
    assert np.array_equal(data.train_images[..., 0], images)
    assert data.test_labels.tolist() == LABELS.tolist()
    assert (data.name, data.class_names[2], data.note) == (name, third, "")


def test_the_same_images_have_the_same_hash_from_torchvision_and_from_an_npz(tmp_path: Path) -> None:
    images = write_mnist(tmp_path)
    data = load("mnist", tmp_path, download=False)
    x_test = data.test_images[..., 0]
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=LABELS, x_test=x_test, y_test=LABELS[:, None])
    again = load("mnist", tmp_path, download=False)
    assert (again.sha256, again.class_names) == (data.sha256, data.class_names)


@pytest.mark.parametrize(("name", "class_name"), [("CIFAR10", "bird"), ("CIFAR100", "thing 2")])
def test_cifar_batches_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, class_name: str) -> None:
    images = write_cifar(tmp_path, name, monkeypatch)
    data = load(name.lower(), tmp_path, download=False)
    assert np.array_equal(data.train_images.permute(0, 3, 1, 2), images)
    assert data.train_images.is_contiguous()
    assert data.class_names[2] == class_name


def test_svhn_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(2).integers(0, 256, (32, 32, 3, 20), np.uint8)
    splits = {}
    for split in ("train", "test"):
        path = tmp_path / f"{split}_32x32.mat"
        scipy.io.savemat(path, {"X": images, "y": np.where(LABELS == 0, 10, LABELS)[:, None]})
        splits[split] = ["", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(torchvision_datasets.SVHN, "split_list", splits)
    data = load("svhn", tmp_path, download=False)
    assert np.array_equal(data.train_images, images.transpose(3, 0, 1, 2))
    assert data.train_labels.tolist() == LABELS.tolist()
    (tmp_path / "test_32x32.mat").write_bytes(b"MATLAB")
    with pytest.raises(DatasetError, match=r"cannot use .*/test_32x32\.mat: it is damaged"):
        load("svhn", tmp_path, download=False)


def test_present_files_need_no_writable_directory(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    load("mnist", tmp_path)
    assert sorted(tmp_path.rglob("*")) == before  # no lock file either


@pytest.mark.parametrize("name", list(torchvision_files.LOADERS))
def test_a_failed_download_says_what_to_put_where_and_why_it_failed(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError) as caught:
        load(name, tmp_path / "new")
    message = str(caught.value)
    assert message.startswith(f"{name}: not in {tmp_path}/new: add {tmp_path}/new/{name}.npz (keys x_train, ")
    assert "the download failed: " in message
    assert "no network here" in message
    assert "\n" not in message


def test_the_message_about_cifar10_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(torchvision_datasets.CIFAR10, "download", fail)
    with pytest.raises(DatasetError) as caught:
        load("cifar10", tmp_path)
    assert str(caught.value) == (
        f"cifar10: not in {tmp_path}: add {tmp_path}/cifar10.npz (keys x_train, y_train, x_test, y_test) or "
        f"torchvision's files ({tmp_path}/cifar-10-batches-py/data_batch_1 and 6 more); "
        "the download failed: <urlopen error Name or service not known>"
    )


def test_downloading_can_be_turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_datasets.MNIST, "download", lambda self: pytest.fail("downloaded"))
    write_mnist(tmp_path)
    (tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetError, match=r"\(\S*/raw/t10k-labels-idx1-ubyte\); downloading is off$"):
        load("mnist", tmp_path, download=False)
    with pytest.raises(DatasetError, match=r"downloading is off$"):
        load("mnist", tmp_path / "none", download=False)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("kept", [0, 3, 10, 25])
def test_a_truncated_idx_file_is_named(tmp_path: Path, file: str, kept: int, download: bool) -> None:
    write_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / file
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DatasetError) as caught:
        load("mnist", tmp_path, download=download)
    assert f"cannot use {path}: it is damaged or unreadable" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_cifar_batch_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, "CIFAR10", monkeypatch)
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(path.read_bytes()[:-1])
    for download in (False, True):
        with pytest.raises(DatasetError, match=f"cannot use {path}: it is damaged .*: delete it to download it again"):
            load("cifar10", tmp_path, download=download)


def test_processes_that_load_at_once_download_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads = []

    def download(self: Any) -> None:
        """Slow, and with a half-written file on the way, as a real one."""
        if not self._check_exists():
            downloads.append(threading.get_ident())
            write_mnist(tmp_path)
            last = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
            whole = last.read_bytes()
            last.write_bytes(whole[:1000])
            time.sleep(0.3)
            last.write_bytes(whole)

    monkeypatch.setattr(torchvision_datasets.MNIST, "download", download)
    hashes = []
    threads = [threading.Thread(target=lambda: hashes.append(load("mnist", tmp_path).sha256)) for _ in range(4)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert len(downloads) == 1
    assert len(hashes) == 4
    assert len(set(hashes)) == 1
