"""Core-set and k-means of BADGE's authors, CDAL's greedy, LCMD's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from clones import RecordedKMeans, load
from inputs import Arrays, logits_of, pool
from uncertainty import BADGE, picks, strategy


def coreset(clone: Path) -> Arrays:
    made = pool(seed=10)
    return {**made, "picks": picks(clone, "core_set", "CoreSet", 30, made)}


def kmeans(clone: Path) -> Arrays:
    made = pool(seed=11)
    asked = strategy(clone, "kmeans_sampling", "KMeansSampling", made)
    load(clone, "query_strategies.kmeans_sampling").KMeans = RecordedKMeans
    chosen = asked.query(12) - len(made["labels"])
    return {**made, "picks": chosen, "centres": RecordedKMeans.fits[-1]["centres"]}


def cdal(clone: Path) -> Arrays:
    """Their divergence is the mean over the 19 predictions of an image; here all 19 are alike."""
    made = pool(100, 12, classes=19, seed=12)
    logits = np.concatenate([logits_of(made, "labelled_embeddings"), logits_of(made)])
    probs = torch.tensor(logits).double().softmax(dim=1).numpy()
    np.random.seed(12)  # noqa: NPY002 - theirs draws the first image from it
    greedy = load(clone, "CDAL_CS").kCenterGreedy(np.tile(probs, 19))
    return {**made, "picks": np.array(greedy.select_batch(list(range(12)), 15)) - 12}


def lcmd(clone: Path) -> Arrays:
    """With labelled images as centres, and without."""
    made = pool(seed=13)
    select: Any = load(clone, "bmdal_reg.bmdal.algorithms", ("mat4py", "dill")).select_batch
    data = load(clone, "bmdal_reg.bmdal.feature_data").TensorFeatureData
    given = {"train": data(torch.tensor(made["labelled_embeddings"])), "pool": data(torch.tensor(made["embeddings"]))}
    found: Arrays = {}
    for name, with_labelled in (("picks", True), ("picks_without_labelled", False)):
        chosen, _ = select(20, [torch.nn.Identity()], given, None, "linear", [], "lcmd", sel_with_train=with_labelled)
        found[name] = chosen.numpy()
    return {**made, **found}


MAKERS = {
    "coreset": (BADGE, coreset),
    "kmeans": (BADGE, kmeans),
    "cdal": ("sharat29ag/CDAL", cdal),
    "lcmd": ("dholzmueller/bmdal_reg", lcmd),
}
