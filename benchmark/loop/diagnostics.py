"""What a round's acquisition was, and how well an attachment ranks images: for reporting, never for a choice."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from benchmark.loop.pool import FittedPool
from benchmark.training.batches import Images
from benchmark.training.predict import Predictions, Predictor

POOL_SIZE = 2_000  # of the unlabelled images, at most so many are looked at
_BLOCK = 256  # images hashed at once


def spaced(positions: Tensor, most: int = POOL_SIZE) -> Tensor:
    """At most ``most`` of ``positions`` (N,), evenly spaced: no draw, and all parts of a sorted pool."""
    count = min(most, len(positions))
    return positions[[i * len(positions) // count for i in range(count)]]


class Digests:
    """What tells rows of ``pixels`` (M, …) apart: a digest of all their values, computed once for each."""

    def __init__(self, pixels: Tensor) -> None:
        self._pixels = pixels
        self._known: dict[int, bytes] = {}

    def __call__(self, rows: Tensor) -> list[bytes]:
        positions = rows.tolist()
        new = [position for position in positions if position not in self._known]
        for start in range(0, len(new), _BLOCK):
            some = new[start : start + _BLOCK]
            for position, image in zip(some, self._pixels[some].cpu().numpy(), strict=True):
                self._known[position] = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        return [self._known[position] for position in positions]


def acquisition_measures(pool: FittedPool, acquired: Tensor, labelled: Tensor, digests: Digests) -> dict[str, float]:
    """What the acquisition of ``acquired`` (n,) from ``pool`` was, as ``acquisition.<measure>``.

    ``acquired`` and ``labelled`` (L,), on the CPU, are rows of what ``digests`` tells apart. ``scored`` is the number N
    of images to choose from; ``duplicates`` counts those acquired that equal, in every value, a labelled image or one
    acquired before them; ``margin_overlap`` is the share that margin sampling would have acquired too (n/N in the mean
    for a random acquisition), left out where ``pool.margin_choice`` is None.
    """
    seen = set(digests(labelled))
    duplicates = 0
    for digest in digests(acquired):
        duplicates += digest in seen
        seen.add(digest)
    found = {"scored": float(len(pool.indices)), "duplicates": float(duplicates)}
    margin = pool.margin_choice(len(acquired))
    if margin is not None:
        found["margin_overlap"] = len(set(margin.tolist()) & set(acquired.tolist())) / len(acquired)
    return {f"acquisition.{name}": value for name, value in found.items()}


def rank_agreements(predictor: Predictor, parts: Mapping[str, tuple[Images, Tensor, Tensor]]) -> dict[str, float]:
    """``rank_agreement`` on each of the named ``parts``: images, indices (M,) into them and their labels (M,)."""
    found: dict[str, float] = {}
    for part, (images, indices, labels) in parts.items():
        found |= rank_agreement(predictor.predict(images, indices), labels, part)
    return found


def rank_agreement(predictions: Predictions, labels: Tensor, part: str) -> dict[str, float]:
    """Agreement of the attachment's output with the loss on ``labels`` (M,), as ``loss_rank.<part>.<measure>``.

    With l the cross-entropy of each image and l̂ the attachment's output: ``kendall`` is τ_b, ``spearman`` is ρ,
    ``pairwise`` the share of the pairs with l_i ≠ l_j that l̂ puts in the same order (a tie in l̂ counts half), and
    ``auroc`` the area under the ROC curve of l̂ for the images that the network gets wrong. All grow with
    agreement; 0 (kendall, spearman) and ½ (pairwise, auroc) are chance. A measure that is not defined (one image, no
    two losses or predictions that differ, all images right or all wrong, a prediction not finite) is left out.
    """
    from scipy import stats  # here, not above: importing these two takes a second
    from sklearn.metrics import roc_auc_score

    assert predictions.attached is not None, "there is no prediction to judge"
    logits, labels = predictions.logits.double().cpu(), labels.cpu()
    losses = F.cross_entropy(logits, labels, reduction="none").numpy()
    wrong = (logits.argmax(1) != labels).numpy()
    predicted = predictions.attached.double().cpu().numpy()
    found: dict[str, float] = {}
    if not np.isfinite(predicted).all():
        return found
    if np.ptp(losses) > 0 and np.ptp(predicted) > 0:
        tau = float(stats.kendalltau(predicted, losses, variant="b").statistic)
        found["kendall"] = tau
        found["spearman"] = float(stats.spearmanr(predicted, losses).statistic)
        # τ_b = (C − D) / √(P P̂) with C and D the concordant and discordant pairs, P and P̂ those untied in l and l̂.
        found["pairwise"] = (1 + tau * math.sqrt(_untied(predicted) / _untied(losses))) / 2
    if 0 < wrong.sum() < len(wrong):
        found["auroc"] = float(roc_auc_score(wrong, predicted))
    return {f"loss_rank.{part}.{measure}": value for measure, value in found.items()}


def _untied(values: np.ndarray) -> int:
    """The number of pairs whose values differ."""
    counts = [int(count) for count in np.unique(values, return_counts=True)[1]]
    return math.comb(len(values), 2) - sum(math.comb(count, 2) for count in counts)
