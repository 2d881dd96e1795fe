"""What another run, or somebody else, acquired: index lists that a run trains on instead of choosing its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.loop.labelled import LabelledSet
from benchmark.results.records import LabelsRecord, RunRecord
from strategies.api import Pool, Strategy


@dataclass(frozen=True)
class Replay:
    """Dataset ``indices`` in the order of their acquisition, and the run that they are from.

    ``counts`` are the label counts of its rounds: the training of round r there draws from the streams of r, and so
    does the replay's with as many labels, which makes it the same training if nothing else differs. ``accuracies``
    are that run's test accuracies, in [0, 1], by label count. For a list without a run the latter are empty, and the
    former, too, unless round r is to be that of a replay. ``version`` is that of the strategy. With ``recomputed``, the
    labels of one round, that round is trained again with the strategy's own attachment.
    """

    indices: tuple[int, ...]
    counts: tuple[int, ...] = ()
    accuracies: tuple[float, ...] = ()
    version: int = 1
    recomputed: LabelsRecord | None = None
    labels: tuple[int, ...] = ()

    @property
    def answers(self) -> dict[int, int]:
        """The labels by index, as far as they are known."""
        return dict(zip(self.indices, self.labels, strict=True)) if self.labels else {}

    def stream_round(self, num_labelled: int, number: int) -> int:
        """The round whose random streams a training on so many labels draws from; ``number`` where there is no run."""
        return self.counts.index(num_labelled) if self.counts else number

    def diagnostics(self, num_labelled: int) -> dict[str, float]:
        """What the record of a round says of the run that is replayed."""
        if not self.accuracies:
            return {}
        return dict(zip(self.counts, ({ACCURACY: a} for a in self.accuracies), strict=True)).get(num_labelled, {})


def round_of(record: RunRecord, num_labelled: int) -> Replay:
    """The round of a run that trained on so many labels, to be trained again. Raises ValueError without that round."""
    number = record.label_counts.index(num_labelled)
    known = LabelledSet.initial(record.header.initial)
    for earlier in record.rounds[:number]:
        known = known.after(earlier)
    return Replay(
        known.indices,
        tuple(record.label_counts),
        tuple(round_.accuracy for round_ in record.rounds),
        record.header.strategy_version,
        LabelsRecord(known.indices, known.labels, known.held_out),
    )


ACCURACY = "replay.source_accuracy"  # the name of that diagnostic


class Replayed(Strategy):
    """Selects what a replay says, in its order. It has no attachment and holds nothing out."""

    cold_start = True

    def __init__(self, replay: Replay) -> None:
        self.replay = replay

    def select(self, pool: Pool, n: int, generator: torch.Generator) -> Tensor:
        """The positions in ``pool`` of the next ``n`` indices."""
        begin = len(pool.labelled_indices)
        wanted = torch.tensor(self.replay.indices[begin : begin + n], dtype=torch.int64, device=pool.indices.device)
        order = pool.indices.argsort()
        places = torch.searchsorted(pool.indices[order], wanted)
        return order[places]
