"""Every strategy of a paper against the code of its authors, on stored inputs, or the reason why it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.authors import coverage, hybrid, scores
from support.authors.stored import Arrays
from support.made_up import golden

from strategies.registry import resolve
from strategies.registry.catalogue import CATALOGUE

TESTS = Path(__file__).resolve().parents[1]


class Row(NamedTuple):
    """A file of golden/authors, the repository that made it, and what of it is compared how closely."""

    strategy: str
    file: str
    repository: str
    check: Callable[[Arrays], None]
    compared: str
    tolerance: str


BADGE, EPIG = "JordanAsh/badge", "fbickfordsmith/epig"
TYPICLUST, UHERDING = "avihu111/TypiClust", "BorealisAI/uherding"
EXACT = "the same images in the same order"
AS_SETS = "the same images; theirs are in no order of choice"
OWN_CLUSTER = "as near to the centre; theirs takes an image of its cluster even where another is nearer (here none)"
FLOAT64 = "1e-9 of the largest"

TABLE = (
    # --- one softmax output
    Row("least-confidence", "least-confidence", BADGE, scores.ranking("least-confidence"), "40 picks", EXACT),
    Row("margin", "margin", BADGE, scores.ranking("margin"), "40 picks", EXACT),
    Row("entropy", "entropy", BADGE, scores.ranking("entropy"), "40 picks", EXACT),
    # --- Monte-Carlo dropout; of bald, mc-entropy and mean-std the code of later papers by other authors
    Row("bald", "bald", BADGE, scores.bald, "the ranking of all images", EXACT),
    Row("bald", "bald-scores", EPIG, scores.score("bald"), "scores", FLOAT64),
    Row("mc-entropy", "mc-entropy", EPIG, scores.score("mc-entropy"), "scores", FLOAT64),
    Row("mean-std", "mean-std", EPIG, scores.score("mean-std"), "scores", FLOAT64),
    Row(
        "batchbald",
        "batchbald",
        "BlackHC/batchbald_redux",
        scores.batchbald,
        "picks and their joint information, all configurations; the information alone where both draw them",
        "1e-9 of the largest; 1 % where drawn, from different streams",
    ),
    Row("epig", "epig", EPIG, scores.epig, "scores with 7 and with 60 targets", FLOAT64),
    Row(
        "coremse",
        "coremse",
        "davidtw999/BEMPS",
        scores.coremse,
        "scores; distances between the rows that k-means clusters; picks given its centres",
        "1e-6 of the largest, theirs being K times ours; where centres share an image theirs draws another one, ours "
        "takes the next nearest",
    ),
    # --- a committee; the authors' code is not public, these are two libraries
    Row("qbc", "qbc", "scikit-activeml/scikit-activeml", scores.committee, "vote entropy; mean divergence", FLOAT64),
    Row("qbc", "qbc-consensus", "modAL-python/modAL", scores.committee, "vote entropy; consensus entropy", FLOAT64),
    # --- diversity
    Row("coreset", "coreset", BADGE, coverage.coreset, "30 picks", EXACT),
    Row("kmeans", "kmeans", BADGE, coverage.kmeans, "what k-means clusters; picks given its centres", OWN_CLUSTER),
    Row(
        "cdal",
        "cdal",
        "sharat29ag/CDAL",
        coverage.cdal,
        "14 picks",
        "the same images in the same order, after the first, which theirs draws at random",
    ),
    Row("lcmd", "lcmd", "dholzmueller/bmdal_reg", coverage.lcmd, "20 picks, with and without labelled images", EXACT),
    # --- uncertainty and diversity
    Row(
        "badge",
        "badge",
        BADGE,
        hybrid.badge,
        "the first pick; the law of each further one, given those before",
        "1e-4 of the largest: float32; picks cannot be compared, as the streams differ",
    ),
    Row("bait", "bait", BADGE, hybrid.bait, "8 picks, of as many dimensions and candidates as there are", AS_SETS),
    Row(
        "clue",
        "clue",
        "virajprabhu/CLUE",
        hybrid.clue,
        "the weights of k-means, at two temperatures; picks given its centres",
        "1e-5 of the largest: theirs adds 1e-8 to a probability",
    ),
    Row(
        "falcun",
        "falcun",
        "sobermeier/falcun",
        hybrid.falcun,
        "the law of each draw, given those before, in the configuration that the authors publish",
        "1e-9 of the largest; picks cannot be compared, as the streams differ",
    ),
    Row(
        "alfa-mix",
        "alfa-mix",
        "AminParvaneh/alpha_mix_active_learning",
        hybrid.alfa_mix,
        "which images change their class at five caps, in the element-wise form; picks given the centres",
        AS_SETS,
    ),
    Row(
        "dropquery",
        "dropquery",
        "sanketx/AL-foundation-models",
        hybrid.dropquery,
        "candidates given the dropped entries, for four batch sizes; picks given the centres",
        AS_SETS,
    ),
    Row(
        "refine",
        "refine",
        "dhuseljic/dal-toolbox",
        hybrid.refine,
        "the pool after each round and the batch, given the draws, of two strategies that draw nothing themselves",
        "the same images, the batch in the same order",
    ),
    # --- few labels
    Row(
        "typiclust",
        "typiclust",
        TYPICLUST,
        coverage.typiclust,
        "16 picks given the clusters, with 20 and with 2 labelled images, distance=squared",
        EXACT,
    ),
    Row("probcover", "probcover", TYPICLUST, coverage.probcover, "12 picks at two radii", EXACT),
    Row(
        "dcom",
        "dcom",
        TYPICLUST,
        coverage.dcom,
        "the radii of all labelled images; picks given the radii, at four midpoints",
        "0.005, as theirs rounds radii to 0.01 (the weight to 0.001); theirs keeps the radii of earlier rounds, and "
        "covers nothing beyond the mean radius",
    ),
    Row("maxherding", "maxherding", UHERDING, coverage.maxherding, "20 picks at two widths", EXACT),
    Row(
        "activeft",
        "activeft",
        "yichen928/ActiveFT",
        coverage.activeft,
        "the gradient at the start; the points after 300 and after 30 steps; 12 picks, at two temperatures",
        "1e-9 of the largest for the gradient, 1e-6 for the points; the same images, which theirs returns as a set",
    ),
    Row("uherding", "uherding", UHERDING, coverage.uherding, "the temperature; 20 picks with it", EXACT),
    # --- learned
    Row(
        "learning-loss",
        "learning-loss",
        "Mephisto405/Learning-Loss-for-Active-Learning",
        scores.learning_loss,
        "predicted losses, the ranking loss and its gradient, with their parameters; no code of the authors is public",
        "1e-5 of the largest: float32",
    ),
    Row(
        "semi-supervised-learning-loss",
        "semi-supervised-learning-loss",
        "hwang410/SSLPM",
        scores.semi_supervised,
        "predicted losses; ranking loss and gradient of the joint training and of a tuning step; picks by cluster",
        "1e-5 of the largest: float32",
    ),
    Row("tod", "tod", "siyuhuang/TOD", scores.tod, "scores", "1e-6 of the largest"),
)

# Strategies whose own tests read a golden file: its name, the repository behind it, and the test.
ELSEWHERE = {
    "weighted-kmeans": ("weighted_kmeans", "dataiku-research/cardinal", "test_weighted_kmeans.py"),
    "cal": ("cal", "mourga/contrastive-active-learning", "test_cal.py"),
    "laplace-bald": ("laplace", "aleximmer/Laplace", "test_laplace_bald.py"),
    "noise-stability": ("noise_stability", "lixingjian/AL-noise-stability", "test_noise_stability.py"),
}

# Strategies of papers without a file of their authors': why, and the test of the definition instead.
ABSENT = {
    "boss": ("the authors' code trains networks in a framework of its own", "test_boss.py"),
    "variation-ratio": ("the authors' code counts votes inside a Keras training script", "test_bayesian.py"),
    "cluster-margin": ("no public code of the authors", "test_cluster_margin.py"),
    "logdet": ("no public code of this form; quality and similarity are ours", "test_logdet.py"),
    "tcm": (
        "no public code of the authors; typiclust and margin, which it is made of, are compared",
        "test_typiclust.py",
    ),
    "power:X": ("no public code of the authors; the law of the draws is tested", "registry/test_wrappers.py"),
}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.file)
def test_ours_is_theirs(row: Row) -> None:
    stored = golden(f"authors/{row.file}")
    repository, _, commit = str(stored["source"]).removeprefix("github.com/").partition("@")
    assert repository == row.repository
    assert len(commit) == 40
    row.check(stored)


def test_every_file_is_in_the_table_once() -> None:
    files = sorted(path.stem for path in (TESTS / "golden" / "authors").glob("*.npz"))
    assert sorted(row.file for row in TABLE) == files


def test_every_strategy_of_a_paper_is_compared_or_says_why_not() -> None:
    compared = {row.strategy for row in TABLE}
    built = [resolve(entry if isinstance(entry, str) else entry.name).build() for entry in CATALOGUE]
    of_papers = {"power:X" if "stochastic" in each.groups else each.name for each in built if each.paper}
    listed = [*compared, *ELSEWHERE, *ABSENT]
    assert of_papers - set(listed) == set(), "give it a file in golden/authors, or a reason in ABSENT"
    assert set(listed) - of_papers == set(), "no strategy of that name"
    assert len(listed) == len(set(listed)), "listed twice"
    for _, tested in ABSENT.values():
        assert (TESTS / "strategies" / tested).is_file()


@pytest.mark.parametrize(("file", "repository", "tested"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_files_that_other_tests_read_name_the_repository(file: str, repository: str, tested: str) -> None:
    assert f'golden("{file}")' in (TESTS / "strategies" / tested).read_text()
    assert repository in str(golden(file)["source"])
