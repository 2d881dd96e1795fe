"""Scores on Monte-Carlo predictions: EPIG's repository, BatchBALD's and CoreMSE's."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import torch
from clones import RecordedKMeans, load
from inputs import Arrays, monte_carlo

EPIG = "fbickfordsmith/epig"


def score(module: str, name: str, seed: int) -> tuple[str, object]:
    def maker(clone: Path) -> Arrays:
        probs = monte_carlo(seed=seed)
        scores = getattr(load(clone, f"src.uncertainty.{module}"), name)(torch.tensor(probs))
        return {"mc_probs": probs, "scores": scores.numpy()}

    return EPIG, maker


def epig(clone: Path) -> Arrays:
    probs = monte_carlo(seed=5)
    module = load(clone, "src.uncertainty.epig_probs")
    by_targets = {
        f"scores_of_{count}": module.epig_from_probs(torch.tensor(probs), torch.tensor(probs[:count])).numpy()
        for count in (7, 60)
    }
    return {"mc_probs": probs, **by_targets}


def batchbald(clone: Path) -> Arrays:
    """Five images exactly, and ten of a hundred masks by sampled configurations, with the information of each batch."""
    module = load(clone, "batchbald_redux.batchbald")
    made: Arrays = {}
    for name, probs, count, configurations in (
        ("exact", monte_carlo(40, 12, 4, seed=6), 5, 10_000),
        ("sampled", monte_carlo(30, 100, 10, seed=7), 6, 40_000),
    ):
        torch.manual_seed(0)
        batch = module.get_batchbald_batch(torch.tensor(probs).log(), count, configurations, dtype=torch.double)
        made |= {f"{name}_mc_probs": probs, f"{name}_picks": np.array(batch.indices)}
        made[f"{name}_scores"] = np.array(batch.scores)
    return made


def coremse(clone: Path) -> Arrays:
    """The scores with all images as targets, and the rows that a batch of six is clustered by, with its picks."""
    module = load(clone, "src.queryStrategy")
    module.KMeans = RecordedKMeans
    probs = monte_carlo(40, 8, 4, seed=8)
    scores = module.bemps_coremse(torch.tensor(probs), 1)
    picks = module.bemps_coremse_batch(torch.tensor(probs), 6, 1, 0.5)
    fit = RecordedKMeans.fits[-1]
    chosen = {"picks": np.array(picks), "rows": fit["points"], "centres": fit["centres"]}
    return {"mc_probs": probs, "scores": scores.numpy(), **chosen}


def committee(clone: Path) -> Arrays:
    """Vote entropy and mean divergence of a committee of seven, one of whose members is sure."""
    sys.path.insert(0, str(clone))
    module = importlib.import_module("skactiveml.pool._query_by_committee")
    probs = monte_carlo(seed=14, samples=7)
    probs[:, 3] = np.where(probs[:, 3] == probs[:, 3].max(axis=1, keepdims=True), 1.0, 0.0)
    votes = probs.argmax(axis=2)
    return {
        "member_probs": probs,
        "vote_entropy": module.vote_entropy(votes, list(range(probs.shape[2]))),
        "kl": module.average_kl_divergence(np.moveaxis(probs, 1, 0).copy(), eps=1e-12),
    }


def consensus(clone: Path) -> Arrays:
    """Votes and consensus by another library, for a committee of four."""
    module = load(
        clone,
        "modAL.disagreement",
        ("modAL.models", "modAL.models.base", "modAL.utils", "modAL.utils.data", "modAL.utils.selection"),
    )
    probs = monte_carlo(seed=15, samples=4)

    class Committee(list):
        classes_ = range(probs.shape[2])

        def vote(self, x: np.ndarray) -> np.ndarray:
            return x.argmax(axis=2)

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return x.mean(axis=1)

    four = Committee(range(4))
    return {
        "member_probs": probs,
        "vote_entropy": module.vote_entropy(four, probs),
        "consensus": module.consensus_entropy(four, probs),
    }


MAKERS = {
    "bald-scores": score("bald_probs", "bald_from_probs", 3),
    "mc-entropy": score("bald_probs", "marginal_entropy_from_probs", 4),
    "mean-std": score("heuristics_probs", "mean_standard_deviation_from_probs", 9),
    "epig": (EPIG, epig),
    "batchbald": ("BlackHC/batchbald_redux", batchbald),
    "qbc": ("scikit-activeml/scikit-activeml", committee),
    "qbc-consensus": ("modAL-python/modAL", consensus),
    "coremse": ("davidtw999/BEMPS", coremse),
}
