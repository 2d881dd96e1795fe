"""The pool as strategies see it: the fitted model's outputs on the unlabelled images, computed on first use."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor, nn

from benchmark.training.batches import Images
from benchmark.training.predict import Predictions, Predictor
from strategies.api import Strategy, checked_notes, top
from strategies.kernels.margins import margin_uncertainty


class FittedPool:
    """``strategies.api.Pool``, made from images and the labels acquired so far, and nothing else.

    ``indices`` (N,) and ``labelled_indices`` (L,) are positions among the M ``images``, ``labels`` (L,) the labels of
    the latter. ``predictor`` is None while a strategy chooses the initial labels. ``previous_probs`` (M, C) are those
    of the previous round, over all images; ``features`` returns (M, F), ``cross_fit`` what the method of this name
    does. What a strategy writes into the pool's tensors does not reach the caller's. ``notes`` holds what it noted.
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
        self._indices = indices.clone()
        self._labelled_indices = labelled_indices.clone()
        self.indices = indices.clone()  # a strategy's own copies: what it writes there changes no row of the outputs
        self.labelled_indices = labelled_indices.clone()
        self.labels = labels.clone()
        self.notes: dict[str, float] = {}
        self.class_count = class_count
        self._images = images
        self._predictor = predictor
        self._mc_stream = mc_stream
        self._mc: dict[int, Tensor] = {}
        self._margins: dict[str, Tensor] = {}  # before the strategy can write into what they follow from
        self._noisy: dict[tuple[int, float], Tensor] = {}
        self._previous_probs = previous_probs
        self._features = features
        self._cross_fit = cross_fit
        self._cross_fits: dict[float, tuple[Tensor, Tensor] | None] = {}

    @property
    def has_model(self) -> bool:
        return self._predictor is not None

    @property
    def logits(self) -> Tensor:
        return self._solved[0] if self._fitted.network.solved else self._predictions.logits

    @cached_property
    def probs(self) -> Tensor:
        return self._solved[1].clone() if self._fitted.network.solved else self.logits.softmax(1)

    @cached_property
    def embeddings(self) -> Tensor:
        if self._fitted.network.solved:
            return self._fitted.embeddings(self._images, self._indices)
        return self._predictions.embeddings

    @cached_property
    def labelled_embeddings(self) -> Tensor:
        return self._fitted.embeddings(self._images, self._labelled_indices)

    @cached_property
    def head(self) -> nn.Linear:
        return copy.deepcopy(self._fitted.network.head)

    @property
    def attachment_output(self) -> Tensor:
        attached = self._predictions.attached
        if attached is None:
            raise ValueError("attachment_output needs an attachment: the strategy must return one from attach()")
        return attached

    def mc_probs(self, samples: int) -> Tensor:
        """Probabilities (N, K, C) under K = ``samples`` dropout masks, or draws of a solved head; kept."""
        if samples not in self._mc:
            fitted, images = self._fitted, self._images
            if fitted.network.solved:
                own = (self._labelled_indices, samples, *self._mc_stream)
                self._mc[samples] = fitted.posterior_probs(images, self._indices, *own)
            else:
                self._mc[samples] = fitted.mc_probs(images, self._indices, samples, *self._mc_stream)
            if "masks" not in self._margins:
                self._margins["masks"] = margin_uncertainty(self._mc[samples].mean(dim=1))
        return self._mc[samples]

    def noisy_logits(self, samples: int, scale: float, positions: Tensor | None = None) -> Tensor:
        """Logits (N, K, C) under K = ``samples`` draws of noise in the weights; those of all kept for the next call."""
        asked = (samples, scale)
        if positions is not None:
            return self._fitted.noisy_logits(self._images, self._indices[positions], *asked, *self._mc_stream)
        if asked not in self._noisy:
            self._noisy[asked] = self._fitted.noisy_logits(self._images, self._indices, *asked, *self._mc_stream)
        return self._noisy[asked]

    @property
    def features(self) -> Tensor:
        return self._feature_rows[0]

    @property
    def labelled_features(self) -> Tensor:
        return self._feature_rows[1]

    @cached_property
    def _feature_rows(self) -> tuple[Tensor, Tensor]:
        """Features of the unlabelled images, (N, F), and of the labelled ones, (L, F)."""
        if self._features is None:
            raise ValueError("this protocol has no self-supervised features: set features.method=simclr")
        everything = self._features()
        return everything[self._indices], everything[self._labelled_indices]

    @cached_property
    def previous_probs(self) -> Tensor | None:
        return None if self._previous_probs is None else self._previous_probs[self._indices]

    def note(self, **premises: float | Tensor) -> None:
        self.notes.update(checked_notes(premises))

    def refitted(self, rows: Tensor) -> Tensor:
        """Last layers (P, C, D + 1), the p-th fitted on the labelled images at ``rows[p]``, (P, n) in all."""
        return self._heads(self.labelled_embeddings[rows], self.labels[rows])

    def cross_fit(self, share: float) -> tuple[Tensor, Tensor] | None:
        """Logits (M, C) and labels (M,) of a share of the labelled images, by a model fitted on the rest; kept."""
        if self._cross_fit is None:
            raise ValueError(
                "cross_fit is a training of its own: a strategy must declare it in needs, and have a model"
            )
        if share not in self._cross_fits:
            self._cross_fits[share] = self._cross_fit(share)
        return self._cross_fits[share]

    def margin_choice(self, n: int) -> Tensor | None:
        """The dataset indices (n,), int64 on the CPU, that margin sampling selects here.

        By the model's probabilities, or by their mean over dropout masks where the strategy has read only these. None
        where it has read neither, for a pass over the pool costs as much as a query, or where they are not finite.
        """
        margins = self._margins.get("model", self._margins.get("masks"))
        if margins is None or not margins.isfinite().all():
            return None
        return self._indices[top(margins, n)].cpu()

    def _heads(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The last layers (P, C, D + 1) that the network's rule gives for (P, n, D) ``inputs`` and (P, n) labels."""
        network = self._fitted.network
        if not network.solved:
            raise ValueError("refits are of a head that is solved: a strategy must declare them in needs")
        return network.solved_heads(inputs, targets)

    @property
    def _fitted(self) -> Predictor:
        if self._predictor is None:
            raise ValueError("there is no model yet: a strategy that chooses the initial labels reads no model outputs")
        return self._predictor

    @cached_property
    def _solved(self) -> tuple[Tensor, Tensor]:
        """The logits and probabilities (N, C) of a solved network, which is so quick that all else counts."""
        logits = self._fitted.logits(self._images, self._indices)
        probs = logits.T.contiguous().softmax(0).T  # of a few long rows, not of many short ones
        self._margins["model"] = margin_uncertainty(probs)
        return logits, probs.contiguous()

    @cached_property
    def _predictions(self) -> Predictions:
        predictions = self._fitted.predict(self._images, self._indices)
        self._margins["model"] = margin_uncertainty(predictions.logits.softmax(1))
        return predictions


class FittedOraclePool(FittedPool):
    """``strategies.api.OraclePool``: an ordinary pool, with the true labels and the test set.

    ``train_labels`` (M,) are those of all images of ``pool``. Raises ValueError for a ``strategy`` that is not a
    diagnostic: only those read true labels.
    """

    def __init__(
        self, pool: FittedPool, strategy: Strategy, train_labels: Tensor, test_images: Images, test_labels: Tensor
    ) -> None:
        if obstacle := oracle_obstacle(strategy):
            raise ValueError(obstacle)
        vars(self).update(vars(pool))
        self.true_labels = train_labels[pool._indices]
        self.test_labels = test_labels.clone()
        self._test_images = test_images

    def refitted_with(self, batches: Tensor) -> Tensor:
        """Last layers (P, C, D + 1), the p-th fitted on all labelled images and those at ``batches[p]``, (P, n)."""
        count = len(batches)
        known, labels = self.labelled_embeddings, self.labels
        inputs = torch.cat([known.expand(count, -1, -1), self.embeddings[batches]], 1)
        return self._heads(inputs, torch.cat([labels.expand(count, -1), self.true_labels[batches]], 1))

    @cached_property
    def test_embeddings(self) -> Tensor:
        everything = torch.arange(len(self._test_images.pixels), device=self._test_images.device)
        return self._fitted.embeddings(self._test_images, everything)


def oracle_obstacle(strategy: Strategy) -> str:
    """Why a strategy may not read the true labels; empty where it may."""
    if "oracle" in strategy.needs and "diagnostic" in strategy.groups:
        return ""
    return "only a strategy that needs 'oracle' and is in the group 'diagnostic' reads true labels: register it so"


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
        return predictor.logits(images, everything).softmax(1)
