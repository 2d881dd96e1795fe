"""The forward passes that strategies declare are those that their queries read, from which reports count operations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from strategies.api import Passes, Query, Strategy
from strategies.registry import names, resolve
from strategies.testing import SyntheticPool, SyntheticTuning

STAGES = (4, 8, 16, 32)
OUTPUTS = {"logits", "probs", "embeddings", "attachment_output"}
CALLS = ("mc_probs", "noisy_logits", "cross_fit")
VARIANTS = (
    "bald[samples=7]",
    "batchbald[samples=7]",
    "dcom[space=embeddings]",
    "entropy[calibrated=true]",
    "noise-stability[samples=3]",
    "noise-stability[subset=2]",
    "power:bald[samples=5]",
    "qbc[committee=posterior]",
    "semi-supervised-learning-loss[official=true]",
    "semi-supervised-learning-loss[tuning=none]",
    "subset:margin",
    "tcm[batches=3]",
    "tcm[space=embeddings]",
    "tod[batcher=topk]",
    "typiclust[space=embeddings]",
    "uherding[space=embeddings]",
)
UNDECLARED = {"qbc", "boss", "greedy-oracle"}  # fits of the head; passes over the test set


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("labelled", [12, 100])  # fewer and more than twenty a class, and than two
@pytest.mark.parametrize("name", [*names(), *VARIANTS])
def test_declared_passes_are_those_of_a_query(name: str, labelled: int) -> None:
    strategy = resolve(name).build()
    pool = SyntheticPool.draw(labelled=labelled)
    for number, seen in enumerate((replace(pool, previous_probs=None), pool)):
        counts = (number, 10, labelled, len(pool.indices), pool.class_count)
        query = Query(*counts, training_steps=900, training_images=28_800)
        declared = strategy.passes_in(query)
        assert (declared is None) == (name in UNDECLARED)
        if declared is not None:
            assert made(strategy, seen, query) == declared


def made(strategy: Strategy, pool: SyntheticPool, query: Query) -> Passes:
    """The passes of a query on ``pool``, and of the tuning before it."""
    read: Any = Reading(pool)
    with torch.no_grad():
        strategy.select(read, query.n, torch.Generator().manual_seed(0))
    images = 0
    attachment = strategy.attach(STAGES, pool.class_count)
    if "after_training" in strategy.hooks and attachment is not None:
        tuning = SyntheticTuning(
            attachment,
            STAGES,
            labelled_count=query.labelled,
            unlabelled_count=query.unlabelled,
            training_steps=query.training_steps,
            training_images=query.training_images,
        )
        strategy.after_training(tuning)
        images = sum(int(asked["steps"] * (asked["labelled"] + 2 * asked["unlabelled"])) for asked in tuning.asked)
    parts = {name for name, _ in read.read}
    noisy = [asked for name, asked in read.read if name == "noisy_logits"]
    return Passes(
        pool=bool(parts & OUTPUTS) + sum(asked[0] for asked in noisy if asked[2] is None),
        labelled=int("labelled_embeddings" in parts),
        masks=sum(asked[0] for name, asked in read.read if name == "mc_probs"),
        cross_fit=sum(asked[0] for name, asked in read.read if name == "cross_fit"),
        images=images + sum(asked[0] * asked[2] for asked in noisy if asked[2] is not None),
    )


class Reading:
    """A pool that remembers what was read of it, and with which arguments."""

    def __init__(self, pool: SyntheticPool) -> None:
        self._pool = pool
        self.read: set[tuple[str, tuple[Any, ...]]] = set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._pool, name)
        if name not in CALLS:
            self.read.add((name, ()))
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            asked = (*arguments, *named.values())
            if name == "noisy_logits":  # of how many images
                samples, scale, *positions = asked
                asked = samples, scale, len(positions[0]) if positions and positions[0] is not None else None
            self.read.add((name, asked))
            return found(*arguments, **named)

        return call
