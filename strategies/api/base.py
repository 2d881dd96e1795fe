"""What a strategy is, what it reads (the pool) and what it may bring into the training (an attachment).

Shapes: N unlabelled images, L labelled ones, C classes, D embedding dimensions, B images in a mini-batch,
S stages of the network, K Monte-Carlo samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn


class Output(NamedTuple):
    """One forward pass: logits (B, C), embedding (B, D) and the S stage features, each (B, c_s, h_s, w_s)."""

    logits: Tensor
    embedding: Tensor
    stages: tuple[Tensor, ...]


class Step(NamedTuple):
    """A labelled mini-batch in training, as an attachment's loss sees it.

    ``losses`` (B,) is the task loss of every sample, still attached to the graph; ``progress`` in [0, 1) is
    the share of the training's steps already done.
    """

    logits: Tensor
    embedding: Tensor
    stages: tuple[Tensor, ...]
    targets: Tensor
    losses: Tensor
    progress: float


class Attachment(nn.Module):
    """A module that a strategy trains along with the network, on the network's features.

    ``learning_rate_scale`` multiplies the recipe's learning rate for the module's own parameters.
    """

    learning_rate_scale: float = 1.0

    def forward(self, output: Output | Step) -> Tensor:
        """The attachment's output for each image, (B,)."""
        raise NotImplementedError

    def loss(self, step: Step) -> Tensor:
        """A scalar, added to the learner's labelled loss."""
        raise NotImplementedError


class TuningBatch(NamedTuple):
    """One step of tuning: a labelled batch, and an unlabelled one in a weak and a strong view."""

    labelled: Step
    weak: Output
    strong: Output


class Tuning(Protocol):
    """What ``Strategy.after_training`` may do: train the attachment on the frozen network's features."""

    attachment: Any
    labelled_count: int
    unlabelled_count: int
    training_steps: int

    def run(
        self,
        loss: Callable[[TuningBatch], Tensor],
        *,
        steps: int,
        labelled: int,
        unlabelled: int,
        learning_rate: float,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
    ) -> None:
        """Take ``steps`` of SGD on the attachment alone, on ``labelled`` + ``unlabelled`` images a step.

        The network is frozen and in eval mode; all labelled images take part, held out or not.
        """
        ...


class Labelled(NamedTuple):
    """Labelled images: dataset ``indices`` (M,), ``labels`` (M,) and the current model's ``losses`` (M,).

    Before the first model is trained ``losses`` is None.
    """

    indices: Tensor
    labels: Tensor
    losses: Tensor | None


class Pool(Protocol):
    """The unlabelled images and what the fitted model says of them; each part is computed once, on first use.

    All tensors lie on the run's device; row i of every (N, …) tensor belongs to ``indices[i]``. Embeddings,
    logits and head outputs are float32. There is no way from here to an unlabelled image's label.
    """

    @property
    def indices(self) -> Tensor: ...  # (N,) positions in the dataset, int64
    @property
    def labelled_indices(self) -> Tensor: ...  # (L,) positions in the dataset, int64
    @property
    def labels(self) -> Tensor: ...  # (L,) the labels bought so far, int64
    @property
    def class_count(self) -> int: ...
    @property
    def has_model(self) -> bool: ...  # False while a strategy chooses the initial labels
    @property
    def logits(self) -> Tensor: ...  # (N, C)
    @property
    def probs(self) -> Tensor: ...  # (N, C)
    @property
    def embeddings(self) -> Tensor: ...  # (N, D)
    @property
    def labelled_embeddings(self) -> Tensor: ...  # (L, D)
    @property
    def head(self) -> nn.Linear: ...  # the network's last linear layer
    @property
    def head_output(self) -> Tensor: ...  # (N,) the attachment's output
    @property
    def features(self) -> Tensor: ...  # (dataset size, F) self-supervised
    @property
    def previous_probs(self) -> Tensor | None: ...  # (N, C) by the last round's model
    def mc_probs(self, samples: int) -> Tensor: ...  # (N, K, C), the k-th dropout mask shared by all images

    def cross_fit(self, share: float) -> tuple[Tensor, Tensor] | None:
        """Logits (M, C) and labels (M,) of a random ``share`` of the labelled images, by a model fitted on the rest.

        A training of its own: only for strategies that declare it (``needs``). None with fewer than 2 C labels.
        """
        ...


class OraclePool(Pool, Protocol):
    """A pool for diagnostics that cheat: with the true labels, and the test set."""

    @property
    def true_labels(self) -> Tensor: ...  # (N,) of the unlabelled images, int64
    @property
    def test_embeddings(self) -> Tensor: ...  # (T, D)
    @property
    def test_labels(self) -> Tensor: ...  # (T,) int64


class Strategy:
    """An acquisition strategy. Its parameters are its constructor's keyword arguments.

    ``needs`` names what the protocol must offer: ``"dropout"`` (a network with dropout modules),
    ``"features"`` (self-supervised), ``"previous_probs"`` (carried from the round before), ``"cross_fit"`` (a second
    training on a part of the labels), ``"oracle"`` (the true labels: an ``OraclePool``, for diagnostics that cheat).
    ``max_batch`` is the largest purchase that it can choose in reasonable time; None for any. ``cost`` (of a query, in
    the letters above) and ``remarks`` (where it shines, where it was seen to fail) go into docs/strategies.md.
    ``spares_last_round``: nothing is held out in the last round of the protocol's ladder.
    """

    name: ClassVar[str]  # set by @register
    groups: ClassVar[tuple[str, ...]] = ()
    paper: ClassVar[str] = ""
    needs: frozenset[str] = frozenset()  # of the class, or of an instance where its parameters decide
    summary: ClassVar[str] = ""
    max_batch: ClassVar[int | None] = None
    cost: ClassVar[str] = ""
    remarks: ClassVar[str] = ""
    spares_last_round: bool = False

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        """``n`` distinct positions among the pool's N, int64, in the order of preference.

        ``generator`` is a CPU generator and the only source of chance.
        """
        raise NotImplementedError

    def attach(self, stage_channels: tuple[int, ...], class_count: int) -> Attachment | None:
        """The module to train along with the network, freshly initialised; None for most strategies."""
        return None

    def after_training(self, tuning: Tuning) -> None:
        """Train the attachment further, once the network is fitted."""

    def hold_out(self, old: Labelled, bought: Labelled) -> Tensor:
        """Dataset indices of labelled images that the task model shall not see in the next round.

        Called after the answers, and before the first round with an empty ``old``.
        """
        return bought.indices.new_empty(0)

    def state_dict(self) -> dict[str, Any]:
        """What is carried to the next round; empty for nearly all strategies."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` of the round before gave."""


def top(scores: Tensor, n: int) -> Tensor:
    """Positions of the ``n`` highest ``scores`` (N,), highest first; the smaller position wins ties.

    Raises ValueError for NaN: a broken model must not look like a choice.
    """
    if torch.isnan(scores).any():
        raise ValueError("scores contain NaN: the model's outputs are not finite")
    return torch.sort(scores, descending=True, stable=True).indices[:n]


class ScoreStrategy(Strategy):
    """A strategy that buys the highest scores."""

    def score(self, pool: Pool) -> Tensor:
        """A score for each unlabelled image, (N,), highest bought first."""
        raise NotImplementedError

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return top(self.score(pool), n)
