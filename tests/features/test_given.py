"""The embeddings that a data set has: as they are, on one scale, or their principal components."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from benchmark.data import datasets
from benchmark.data.datasets import ImageData
from benchmark.data.identity import identity_of
from benchmark.features.embedding import embedded
from benchmark.training.batches import Images
from tests.support.tiny import bench
from tests.support.trees import own

PLAIN = ("recipe.augmentation=none", "recipe.precision=float32")


def saved(folder: Path, train: np.ndarray, test: np.ndarray) -> ImageData:
    path = folder / "rows.npz"
    np.savez(path, x_train=train, y_train=np.arange(len(train)) % 3, x_test=test, y_test=np.arange(len(test)) % 3)
    return datasets.load(str(path), folder)


def rows(count: int, dimensions: int = 8) -> np.ndarray:
    """Correlated dimensions of very different spread."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(count, dimensions)) @ rng.normal(size=(dimensions, dimensions))
    return mixed * np.geomspace(0.1, 30, dimensions) + 5


def seen(data: ImageData) -> np.ndarray:
    """What a head sees of the test examples."""
    return np.asarray(Images(data.test_images, data.mean, data.std).normalised(torch.arange(len(data.test_labels))))


def alike(found: np.ndarray, expected: np.ndarray) -> None:
    """Up to one factor and the signs of the columns."""
    signs = np.sign((found * expected).sum(0))
    factor = np.linalg.norm(found) / np.linalg.norm(expected)
    np.testing.assert_allclose(found, signs * factor * expected, atol=2e-4 * np.abs(found).max())


def test_on_one_scale_proportions_are_kept(tmp_path: Path) -> None:
    values = rows(60)
    data = saved(tmp_path, values[:40], values[40:])
    np.testing.assert_allclose(
        seen(data).reshape(20, -1), StandardScaler().fit(values[:40]).transform(values[40:]), atol=1e-5
    )
    found = embedded(data, "given[one_scale=true]", tmp_path)
    alike(seen(found).reshape(20, -1), values[40:] - values[:40].mean(0))
    assert found.sha256 != data.sha256
    assert seen(found).std() == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize(("how", "scaled"), [("given[pca=3]", True), ("given[pca=3,one_scale=true]", False)])
def test_principal_components_of_given_embeddings_are_scikit_learns(tmp_path: Path, how: str, scaled: bool) -> None:
    values = rows(60)
    data = saved(tmp_path, values[:40], values[40:])
    scaler = StandardScaler(with_std=scaled).fit(values[:40])
    pca = PCA(3).fit(scaler.transform(values[:40]))
    expected = pca.transform(scaler.transform(values[40:]))
    for _ in range(2):  # the second time from the cache
        alike(seen(embedded(data, how, tmp_path)).reshape(20, -1), expected)


def test_each_way_has_a_checksum_of_its_own(tmp_path: Path) -> None:
    data = saved(tmp_path, rows(40), rows(20))
    ways = ("given[one_scale=true]", "given[pca=3]", "given[pca=2]", "given[pca=3,one_scale=true]")
    assert len({embedded(data, how, tmp_path).sha256 for how in ways} | {data.sha256}) == len(ways) + 1


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("given[size=3]", "it has pca, a whole number, and one_scale=true, not size=3"),
        ("given[one_scale=2]", "not one_scale=2"),
        ("given", "embedding 'given' changes nothing: leave it out, or write given"),
        ("given[pca=0]", "not pca=0"),
        ("given[pca=true]", "not pca=True"),
        ("given[pca=9]", "there are 8 principal components, not 9"),
        (
            "simclr",
            r"'rows' has embeddings already: leave it out, or write given\[pca=…\] or given",
        ),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, how: str, said: str) -> None:
    data = saved(tmp_path, rows(40), rows(20))
    with pytest.raises(ValueError, match=said) as raised:
        embedded(data, how, tmp_path)
    assert "\n" not in str(raised.value)


def test_images_are_not_given_embeddings(tmp_path: Path) -> None:
    data = datasets.load("digits", tmp_path)
    with pytest.raises(ValueError, match="'digits' has images, which are no embeddings yet: choose another, such as"):
        embedded(data, "given[pca=2]", tmp_path)


@pytest.mark.parametrize("part", [1.0, 0.3])
def test_principal_components_are_recognised(tmp_path: Path, part: float) -> None:
    """Also where they are those of more examples than there are; neither plain embeddings nor even ones are."""
    values = rows(5_000)
    components = PCA().fit_transform(values)
    some = np.random.default_rng(1).permutation(len(values))[: int(part * len(values))]
    for array, expected in ((components, True), (values, False), (components / components.std(0), False)):
        assert identity_of(saved(tmp_path, array[some], array[:50])).are_components == expected
    constant = np.concatenate([components, np.ones((len(values), 2))], 1)
    assert identity_of(saved(tmp_path, constant[some], constant[:50])).are_components
    assert not identity_of(saved(tmp_path, constant[some, -3:], constant[:50, -3:])).are_components


def test_a_run_on_principal_components_is_told_how_to_keep_their_proportions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own(tmp_path, count=400)
    with np.load(path) as file:
        arrays = dict(file)
    pca = PCA().fit(arrays["x_train"] * np.geomspace(1, 20, 12))
    for key in ("x_train", "x_test"):
        arrays[key] = pca.transform(arrays[key] * np.geomspace(1, 20, 12))
    np.savez(path, **arrays)
    arguments = ("--dataset", str(path), "--model", "linear", "--seeds", "0", "--budgets", "5", "10")
    assert bench(tmp_path, *arguments, "--strategies", "random", "--set", *PLAIN) == 0
    told = capsys.readouterr().out
    assert "'trees': no two dimensions are correlated, as of principal components" in told
    assert bench(tmp_path, *arguments, "--strategies", "random", "--set", *PLAIN, "imbalance=2") == 0
    assert "as of principal components" in capsys.readouterr().out
    (hint,) = [part for part in told.split('"') if part.startswith("embedding=")]
    assert bench(tmp_path, *arguments, "--strategies", "random", "--set", *PLAIN, hint) == 0
    assert "principal components" not in capsys.readouterr().out


def test_what_float32_cannot_hold_is_one_line(tmp_path: Path) -> None:
    values = rows(60)

    def said(train: np.ndarray, test: np.ndarray) -> str:
        with pytest.raises(datasets.DatasetError) as raised:
            saved(tmp_path, train, test)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    far = values[40:].copy()
    far[3, 2] = 1e30
    cases = {
        "beyond 1e+37 in 40 rows, the first 0: divide all by one number": (values[:40] * 1e300, values[40:]),
        "over 1e+12 standard deviations from the mean in 1 rows, the first 3: leave these rows out": (values[:40], far),
        "a standard deviation of 2": (values[:40] * 1e-33, values[40:] * 1e-33),
        "does not tell apart: subtract the mean": (values[:40] + 1e9, values[40:] + 1e9),
        "NaN or infinite values in 1 rows, the first 1": (values[:40], np.vstack([far[:1], [[np.nan] * 8]])),
    }
    for expected, (train, test) in cases.items():
        assert expected in said(train, test)


@pytest.mark.parametrize("column", [0.1, 1e9, 0.0])
def test_a_constant_dimension_is_not_lost_and_scales_do_not_matter(tmp_path: Path, column: float) -> None:
    """A constant is one whatever float64 makes of its mean; a test example may differ from it."""
    values = np.concatenate([rows(60), np.full((60, 1), column)], 1)
    values[3, 8] += 1e-16 * column
    values[50, 8] = 3.0

    def standardised(array: np.ndarray) -> np.ndarray:
        return seen(saved(tmp_path, array[:40], array[40:])).reshape(20, -1)

    found = standardised(values)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(standardised(values * 1e20)[:, :8], found[:, :8], atol=1e-5)
    years = values.copy()
    years[:, 0] = 1990 + np.arange(60)
    assert np.ptp(standardised(years)[:, 0]) == pytest.approx(19 / np.arange(40).std(), rel=1e-3)
