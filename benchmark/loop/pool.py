"""The pool as strategies see it: the fitted model's outputs on the unlabelled images, computed on first use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from benchmark.training.batches import Images
from benchmark.training.predict import Predictions, Predictor
from strategies.api.base import Strategy


class FittedPool:
    """``strategies.api.base.Pool``. Made from images and bought labels, nothing else.

    ``indices`` (N,) and ``labelled_indices`` (L,) are positions in ``images``, ``labels`` (L,) the answers bought.
    ``predictor`` is None while a strategy chooses the initial labels. ``previous_probs`` (M, C) are the last
    round's, over all images. ``features`` and ``cross_fit`` compute what the properties of these names give.
    """

    def __init__(
        self,
        images: Images,
        indices: Tensor,
        labelled_indices: Tensor,
        labels: Tensor,
        class_count: int,
        predictor: Predictor | None,
        *,
        mc_stream: tuple[int, int] = (0, 0),
        previous_probs: Tensor | None = None,
        features: Callable[[], Tensor] | None = None,
        cross_fit: Callable[[float], tuple[Tensor, Tensor] | None] | None = None,
    ) -> None:
        self.indices = indices
        self.labelled_indices = labelled_indices
        self.labels = labels
        self.class_count = class_count
        self._images = images
        self._predictor = predictor
        self._mc_stream = mc_stream
        self._mc: dict[int, Tensor] = {}
        self._previous_probs = previous_probs
        self._features = features
        self._cross_fit = cross_fit
        self._cross_fits: dict[float, tuple[Tensor, Tensor] | None] = {}

    @property
    def has_model(self) -> bool:
        return self._predictor is not None

    @property
    def logits(self) -> Tensor:
        return self._predictions.logits

    @cached_property
    def probs(self) -> Tensor:
        return self.logits.softmax(1)

    @property
    def embeddings(self) -> Tensor:
        return self._predictions.embeddings

    @cached_property
    def labelled_embeddings(self) -> Tensor:
        return self._fitted.predict(self._images, self.labelled_indices).embeddings

    @property
    def head(self) -> nn.Linear:
        return self._fitted.network.head

    @property
    def head_output(self) -> Tensor:
        attached = self._predictions.attached
        if attached is None:
            raise ValueError("head_output needs an attachment: the strategy must return one from attach()")
        return attached

    def mc_probs(self, samples: int) -> Tensor:
        """(N, K, C) by Monte-Carlo dropout; kept, so that asking again costs nothing."""
        if samples not in self._mc:
            self._mc[samples] = self._fitted.mc_probs(self._images, self.indices, samples, *self._mc_stream)
        return self._mc[samples]

    @cached_property
    def features(self) -> Tensor:
        if self._features is None:
            raise ValueError("this protocol has no self-supervised features: set features.method=simclr")
        return self._features()

    @property
    def previous_probs(self) -> Tensor | None:
        return None if self._previous_probs is None else self._previous_probs[self.indices]

    def cross_fit(self, share: float) -> tuple[Tensor, Tensor] | None:
        """Logits (M, C) and labels (M,) of a share of the labelled images, by a model fitted on the rest; kept."""
        if self._cross_fit is None:
            raise ValueError(
                "cross_fit is a training of its own: a strategy must declare it in needs, and have a model"
            )
        if share not in self._cross_fits:
            self._cross_fits[share] = self._cross_fit(share)
        return self._cross_fits[share]

    @property
    def _fitted(self) -> Predictor:
        if self._predictor is None:
            raise ValueError("there is no model yet: a strategy that chooses the initial labels reads no model outputs")
        return self._predictor

    @cached_property
    def _predictions(self) -> Predictions:
        return self._fitted.predict(self._images, self.indices)


class FittedOraclePool(FittedPool):
    """``strategies.api.base.OraclePool``: an ordinary pool, and the true labels and the test set.

    ``pool`` is what it is made from, ``train_labels`` (M,) belong to its images. Raises ValueError for a ``strategy``
    that does not cheat: no other is ever handed one.
    """

    def __init__(
        self, pool: FittedPool, strategy: Strategy, train_labels: Tensor, test_images: Images, test_labels: Tensor
    ) -> None:
        if obstacle := oracle_obstacle(strategy):
            raise ValueError(obstacle)
        vars(self).update(vars(pool))
        self.true_labels = train_labels[pool.indices]
        self.test_labels = test_labels
        self._test_images = test_images

    @cached_property
    def test_embeddings(self) -> Tensor:
        everything = torch.arange(len(self._test_images.pixels), device=self._test_images.device)
        return self._fitted.predict(self._test_images, everything).embeddings


def oracle_obstacle(strategy: Strategy) -> str:
    """Why a strategy may not see the true labels; empty where it may."""
    if "oracle" in strategy.needs and "cheating" in strategy.groups:
        return ""
    return "only a strategy that needs 'oracle' and is of the group 'cheating' sees true labels: register it so"


def candidates(unlabelled: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """The positions to score: all of ``unlabelled`` (N,), or a random ``size`` of them (0 for all), in order."""
    if size == 0 or size >= len(unlabelled):
        return unlabelled
    chosen = torch.randperm(len(unlabelled), generator=generator)[:size]
    return unlabelled[chosen.sort().values]


def full_probs(predictor: Predictor, images: Images) -> Tensor:
    """The fitted model's probabilities (M, C) for every image, to be carried to the next round."""
    everything = torch.arange(len(images.pixels), device=images.device)
    with torch.no_grad():
        return predictor.predict(images, everything).logits.softmax(1)
