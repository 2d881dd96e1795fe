"""What an acquisition strategy is: it chooses n of the N unlabelled images of a pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from strategies.api.attachment import Attachment
from strategies.api.departures import Departure
from strategies.api.passes import Passes, Query
from strategies.api.pool import Pool
from strategies.api.training import Labelled, Tuning


class Strategy:
    """An acquisition strategy. Its parameters are its constructor's keyword arguments.

    ``needs`` names what the protocol must offer: ``"dropout"`` (a network with dropout modules), ``"features"``
    (self-supervised or pretrained), ``"previous_probs"`` (of the previous round's model), ``"cross_fit"`` (a second
    training on a part of the labels), ``"refits"`` (a network whose last layer is solved, so that it can be fitted many
    times), ``"oracle"`` (the true labels: an ``OraclePool``, for diagnostics).
    ``hooks`` names what the strategy does beside choosing: ``"attach"``, ``"after_training"``, ``"hold_out"`` and
    ``"state"`` (``state_dict`` and ``load_state_dict``). The hooks of the class cover every such method that it
    overrides; an instance may have fewer where its parameters decide. ``takes_top_scores`` says that ``select``
    returns the n highest scores, so that wrappers (``power:``, ``subset:``, …) can choose by the score in another way.
    ``max_batch`` is the largest batch that ``select`` can choose in reasonable time, None for any. ``cost`` (of a
    query, in the letters of docs/strategies.md) and ``remarks`` (strengths and known failures) are documentation.
    ``forward_passes`` are those over images that a query takes, from which reports count its operations; None
    where they are not known (see ``passes_in``).
    ``spares_last_round``: nothing is held out in the last round of the protocol's budget schedule. ``draws_subset``
    says that ``select`` looks at a random subset of the pool only, so that a protocol must not draw one as well.
    ``cold_start`` says that it can choose the initial labels, from features alone: where a protocol lets strategies do
    so, it is asked for them with a pool without model and labels, and the others start from a random draw.
    ``presets`` are named settings, each the values of some of the parameters, for ``name[preset=authors]``.
    ``departures`` says what the bare name does otherwise than its authors, each with a reason; of a strategy with a
    paper every parameter is in the preset ``authors`` or has a departure of its name.
    """

    name: str = ""  # name, groups, paper, version and summary are set by @register
    groups: tuple[str, ...] = ()
    paper: str = ""
    version: int = 1
    summary: str = ""
    needs: frozenset[str] = frozenset()
    hooks: frozenset[str] = frozenset()
    max_batch: int | None = None
    cost: str = ""
    remarks: str = ""
    forward_passes: Passes | None = None
    spares_last_round: bool = False
    cold_start: bool = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    departures: ClassVar[tuple[Departure, ...]] = ()

    @property
    def takes_top_scores(self) -> bool:
        return False

    @property
    def draws_subset(self) -> bool:
        return False

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        """``n`` distinct positions among the pool's N, (n,), int64, in order of preference.

        ``generator`` is a CPU generator and the only source of randomness. ``pool.note`` records what the method takes
        for granted, such as how many candidates it found: reports say where a premise does not hold.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no select(self, pool, n, generator)")

    def passes_in(self, query: Query) -> Passes | None:
        """The passes of ``query``: ``forward_passes``, unless they depend on the round."""
        return self.forward_passes

    def attach(self, stage_channels: tuple[int, ...], class_count: int) -> Attachment | None:
        """The module to train along with the network, freshly initialised; None for most strategies."""
        return None

    def after_training(self, tuning: Tuning) -> None:
        """Train the attachment further, once the network is fitted."""

    def hold_out(self, old: Labelled, new: Labelled) -> Tensor:
        """Dataset indices of labelled images that the task model does not train on in the next round.

        Called once the ``new`` images are labelled, and before the first round with an empty ``old``.
        """
        return new.indices.new_empty(0)

    def state_dict(self) -> dict[str, Any]:
        """What is carried to the next round; empty for nearly all strategies."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what ``state_dict`` returned in the round before."""


class ScoreStrategy(Strategy):
    """A strategy that selects the n highest scores.

    A subclass that overrides ``select`` must say whether it still does: ``takes_top_scores``.
    """

    @property
    def takes_top_scores(self) -> bool:
        return True

    def score(self, pool: Pool) -> Tensor:
        """A score for each unlabelled image, (N,); the highest are selected first, of equal ones the first of the pool.

        Files are often sorted by class: where many scores tie, as votes do, let ``select`` return ``drawn_top``.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no score(self, pool)")

    def checked_scores(self, pool: Pool) -> Tensor:
        """``score``, (N,). Raises ValueError for a result of any other shape, for integers and for NaN.

        Infinite scores are in order: an image that must be selected, or must not.
        """
        size = len(pool.indices)
        scores = self.score(pool)
        who = f"strategy '{self.name or type(self).__name__}'"
        if not isinstance(scores, Tensor) or scores.shape != (size,):
            found = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
            raise ValueError(f"{who}: score returned {found}, expected ({size},): one number per unlabelled image")
        if not scores.is_floating_point():
            raise ValueError(f"{who}: score returned {scores.dtype}, expected floating-point numbers: call .float()")
        if torch.isnan(scores).any():
            broken = pool.has_model and not pool.probs.isfinite().all()
            cause = "the model's outputs are not finite" if broken else "the strategy's own arithmetic made it"
            raise ValueError(f"{who}: scores contain NaN: {cause}")
        return scores

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        return top(self.checked_scores(pool), n)


def drawn_top(scores: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Positions (n,) of the ``n`` highest ``scores`` (N,), highest first, equal ones in random order.

    So the order of the pool plays no part. ``generator`` is a CPU generator. Raises ValueError as ``top`` does.
    """
    order = torch.randperm(len(scores), generator=generator).to(scores.device)
    return order[top(scores[order], n)]


def top(scores: Tensor, n: int) -> Tensor:
    """Positions of the ``n`` highest ``scores`` (N,), highest first; the smaller position wins ties.

    Raises ValueError for scores of another shape and for NaN: a broken model must not look like a choice.
    """
    if scores.dim() != 1:
        raise ValueError(f"scores of shape {tuple(scores.shape)}, expected (N,): one number per unlabelled image")
    if torch.isnan(scores).any():
        raise ValueError("scores contain NaN: the model's outputs are not finite")
    if not 0 < 8 * n < len(scores):
        return torch.sort(scores, descending=True, stable=True).indices[:n]
    least = scores.topk(n).values[-1]
    highest = (scores >= least).nonzero().squeeze(1)  # in order, so that the stable sort of these few is that of all
    return highest[torch.sort(scores[highest], descending=True, stable=True).indices[:n]]
