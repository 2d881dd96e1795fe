"""Images that a frozen network embeds: what is computed, once, and the runs on it."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny import PROTOCOL, bench, run_lines
from support.trees import PLAIN
from torch import Tensor

from benchmark.data.arrays import Arrays, checked
from benchmark.experiment import load
from benchmark.experiment.library import names
from benchmark.features import embedding, pretrained


def colours(method: str, pixels: Tensor, size: int = 0) -> Tensor:
    """A network that is quick: the mean and the spread of each channel, and a constant."""
    values = pixels.float().flatten(1, 2)
    return torch.cat([values.mean(1), values.std(1), torch.ones(len(pixels), 1)], 1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Embeddings by ``colours``, in this process; how many images each call computed."""
    calls: list[int] = []

    class Here:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def shutdown(self, cancel_futures: bool) -> None: ...

        def submit(self, function: Any, how: Any, images: Tensor, path: Path) -> Any:
            calls.append(len(images))
            function(how, images, path)
            return self

        def result(self) -> None: ...

    monkeypatch.setattr(pretrained, "embeddings", colours)
    monkeypatch.setattr(embedding.futures, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(pretrained, "check", lambda method: None)
    monkeypatch.setattr(embedding, "BLOCK", 16)
    return calls


def pictures() -> Any:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 16, 16, 3), np.uint8)
    return checked("mine", Arrays("here", pixels[:40], np.arange(40) % 4, pixels[40:], np.arange(20) % 4))


def test_images_become_embeddings_once_and_a_stopped_computation_goes_on(quick: list[int], tmp_path: Path) -> None:
    data = pictures()
    found = embedding.embedded(data, "timm:any", tmp_path)
    assert quick == [16, 16, 8, 16, 4]
    torch.testing.assert_close(found.train_images.flatten(1), colours("", data.train_images))
    torch.testing.assert_close(found.test_images.flatten(1), colours("", data.test_images))
    assert (found.are_embeddings, found.channels, found.one_scale) == (True, 7, False)
    assert torch.equal(found.train_labels, data.train_labels)
    quick.clear()
    (tmp_path / "embeddings").rename(tmp_path / "kept")
    (tmp_path / "kept").rename(tmp_path / "embeddings")
    blocks = sorted(tmp_path.rglob("*.pt"))
    blocks[1].write_bytes(blocks[1].read_bytes()[:-1] + b"?")  # damaged
    again = embedding.embedded(data, "timm:any", tmp_path)
    assert len(quick) == 1
    assert torch.equal(again.train_images, found.train_images)
    assert again.sha256 == found.sha256
    quick.clear()
    assert embedding.embedded(data, "timm:any[size=64]", tmp_path).sha256 != found.sha256
    assert len(quick) == 5  # of another size


@pytest.mark.parametrize(("model", "steps"), [((), 1), (("--model", "mlp[width=8]"), 500)])
def test_images_are_embedded_in_any_protocol(
    quick: list[int], tmp_path: Path, model: tuple[str, ...], steps: int
) -> None:
    """The recipe of the images has no part in it; the head is linear unless another is named."""
    toml = tmp_path / "tiny.toml"
    toml.write_text(PROTOCOL + '\n[features]\nmethod = "simclr"\nmodel = "cnn"\n')
    how = ("--set", "embedding=timm:any", "--seeds", "0", "--budgets", "10", "20")
    assert bench(tmp_path, "--dataset", "digits", *model, *how, "--strategies", "random", "typiclust") == 0
    (described,) = [json.loads(path.read_text()) for path in (tmp_path / "results").glob("*/experiment.json")]
    protocol = described["protocol"]
    assert protocol["model"]["name"] == (model[1].split("[")[0] if model else "linear")
    recipe = protocol["recipe"]
    assert protocol["features"] is None
    assert (recipe["augmentation"], recipe["precision"], recipe["min_steps"]) == ("none", "float32", steps)
    assert len(quick) > 1


def test_more_labels_than_images_are_refused_before_these_are_embedded(
    quick: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(PROTOCOL)
    assert bench(tmp_path, "--set", "embedding=timm:any", "--seeds", "0", "--budgets", "10", "1259") == 2
    assert "budgets go up to 1259, but 'digits' has 1258 training images" in capsys.readouterr().err
    assert not quick


def test_embeddings_are_computed_by_as_many_processes_as_asked_for(
    quick: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ("--set", "embedding=timm:any", "--seeds", "0", "--budgets", "10", "20", "--strategies", "random")
    assert bench(tmp_path, "--dataset", "digits", *how, "--workers", "1") == 0
    assert "train images by timm:any, 1 at a time" in capsys.readouterr().out


def test_principal_components_are_scikit_learns_of_standardised_embeddings(quick: list[int], tmp_path: Path) -> None:
    from sklearn.decomposition import PCA

    data = pictures()
    found = embedding.embedded(data, "timm:any[pca=3]", tmp_path)
    train, test = (colours("", x).double().numpy() for x in (data.train_images, data.test_images))
    mean, std = train.mean(0), train.std(0, ddof=1)
    std[std == 0] = 1
    theirs = PCA(3).fit((train - mean) / std)
    expected = theirs.transform((test - mean) / std)
    ours = found.test_images.flatten(1).double().numpy()
    signs = np.sign((ours * expected).sum(0))
    np.testing.assert_allclose(ours, expected * signs, atol=1e-4)
    assert found.one_scale
    with pytest.raises(ValueError, match="there are 7 principal components, not 8"):
        embedding.embedded(data, "timm:any[pca=8]", tmp_path)


def test_principal_components_are_found_once(
    quick: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = embedding.embedded(pictures(), "timm:any[pca=3]", tmp_path)
    for block in tmp_path.rglob("t*-00*.pt"):
        block.unlink()  # what the components are of is not read again
    again = embedding.embedded(pictures(), "timm:any[pca=3]", tmp_path)
    assert torch.equal(again.train_images, found.train_images)
    assert torch.equal(again.test_images, found.test_images)
    assert (again.sha256, again.one_scale) == (found.sha256, True)
    assert embedding.embedded(pictures(), "timm:any[pca=2]", tmp_path).channels == 2

    (kept,) = tmp_path.rglob("pca-3.pt")
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")

    def refused(path: Path, what: Any) -> None:
        raise OSError(f"cannot write to {path}")

    monkeypatch.setattr(embedding.sealed, "save", refused)
    read = embedding.embedded(pictures(), "timm:any[pca=3]", tmp_path)  # from a cache that is only read
    assert "damaged, so removed" in capsys.readouterr().err
    assert torch.equal(read.train_images, found.train_images)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timm:any[pca=1.5]", "size and pca, whole numbers, not pca=1.5"),
        ("timm:any[width=3]", "size and pca, whole numbers, not width=3"),
        ("timm:any[size=8]", "size must be at least 32 pixels"),
        ("timm:any[size=", "embedding: "),
    ],
)
def test_how_images_are_embedded_must_make_sense(quick: list[int], tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        embedding.embedded(pictures(), text, tmp_path)


def test_other_code_or_another_machine_embeds_anew(
    quick: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data are the same wherever they were embedded, and the cache's bits are of one kind of machine."""
    first = embedding.embedded(pictures(), "timm:any[pca=3]", tmp_path)
    blocks = len(quick)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "another")
    second = embedding.embedded(pictures(), "timm:any[pca=3]", tmp_path)
    assert (len(quick), second.sha256) == (2 * blocks, first.sha256)
    monkeypatch.setattr(pretrained, "version_of", lambda method: "99")
    embedding.embedded(pictures(), "timm:any", tmp_path)
    assert len(quick) == 3 * blocks


def test_a_block_that_another_command_has_computed_meanwhile_is_taken(
    quick: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding.embedded(pictures(), "timm:any", tmp_path)
    (block,) = tmp_path.rglob("test-00001.pt")
    before = block.read_bytes()
    monkeypatch.setattr(pretrained, "embeddings", None)
    embedding._compute(embedding.Embedding.parsed("timm:any"), pictures().test_images[16:], block)
    assert block.read_bytes() == before


def test_a_killed_process_is_one_line(quick: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(embedding, "_compute", killed)
    with pytest.raises(OSError, match=r"a process was killed, .* fewer --workers$"):
        embedding.embedded(pictures(), "timm:any", tmp_path)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("efficientnet-lite0[pca=256, size=96]", "efficientnet-lite0[size=96,pca=256]"),
        ("efficientnet-lite0[size=224]", "efficientnet-lite0"),
        ("torchvision:A_Weights.B[size=0]", "torchvision:A_Weights.B"),
        ("torchvision:A_Weights.B[size=224]", "torchvision:A_Weights.B[size=224]"),
        ("simclr", "simclr[steps=3000,width=32]"),
        ("simclr[pca=8,width=16]", "simclr[steps=3000,width=16,pca=8]"),
        ("given[one_scale=true]", "given[one_scale=True]"),
    ],
)
def test_an_embedding_has_one_canonical_form(written: str, canonical: str) -> None:
    assert embedding.Embedding.written(written).canonical == canonical
    assert embedding.Embedding.written(canonical).canonical == canonical


def test_published_embeddings_are_canonical() -> None:
    named = {load(name).embedding for name in names() if load(name).embedding}
    assert len(named) == 2
    assert {embedding.Embedding.written(text).canonical for text in named} == named


def test_unknown_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are embeddings by efficientnet-lite0, torchvision:<weights>, timm:"):
        embedding.embedded(pictures(), "dino", tmp_path)


def test_simclr_embeds_training_and_test_images_by_one_network(tmp_path: Path) -> None:
    data = pictures()
    how = "simclr[steps=3,width=4]"
    found = embedding.embedded(data, how, tmp_path)
    assert (found.are_embeddings, found.channels) == (True, 16)
    again = embedding.embedded(data, how, tmp_path)  # from the cache
    assert torch.equal(again.test_images, found.test_images)
    assert again.sha256 == found.sha256
    mixed = dataclasses.replace(
        data, test_images=data.train_images[:20], test_labels=data.train_labels[:20], sha256="x"
    )
    same = embedding.embedded(mixed, how, tmp_path)  # test images have no part in the training
    assert torch.equal(same.train_images, found.train_images)
    torch.testing.assert_close(same.test_images, found.train_images[:20], rtol=1e-2, atol=1e-2)
    assert embedding.embedded(data, "simclr[steps=4,width=4]", tmp_path).sha256 != found.sha256
    trained = list(tmp_path.rglob("simclr.pt"))
    assert embedding.embedded(data, f"{how[:-1]},pca=3]", tmp_path).channels == 3  # of the same training
    assert list(tmp_path.rglob("simclr.pt")) == trained
    for wrong, said in (
        ("[steps=0]", "must be at least 1"),
        ("[size=32]", "it has width, steps and pca"),
        ("[steps=3,width=4,pca=17]", "there are 16 principal components, not 17"),
    ):
        with pytest.raises(ValueError, match=said):
            embedding.embedded(data, f"simclr{wrong}", tmp_path)


def test_a_long_tail_of_embedded_images_is_another_experiment(tmp_path: Path) -> None:
    fields = ("embedding=simclr[steps=2,width=4]", *PLAIN)
    usual = ("--model", "linear", "--seeds", "0", "--strategies", "random", "--budgets", "200", "400")
    largest = []
    for ratio in (1.0, 10.0):
        (tmp_path / str(ratio)).mkdir()
        assert bench(tmp_path / str(ratio), *usual, "--set", *fields, f"imbalance={ratio}") == 0
        (_, first, second), *_ = run_lines(tmp_path / str(ratio)).values()
        largest.append(max(first["acquired_indices"] + second["acquired_indices"]))
    assert largest[1] < 500 < largest[0]
    assert bench(tmp_path, *usual, "--set", *fields, "imbalance=0.5") == 2
