"""What a run knows: the labelled images, from the initial ones to the last acquired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from benchmark.results.records import LabelsRecord, RoundRecord


@dataclass(frozen=True)
class LabelledSet:
    """Dataset ``indices`` in the order in which they were acquired, their ``labels``, and who sits out this round."""

    indices: tuple[int, ...]
    labels: tuple[int, ...]
    held_out: tuple[int, ...] = ()

    @classmethod
    def initial(cls, record: LabelsRecord) -> Self:
        """The labels that a run starts with."""
        return cls(record.acquired_indices, record.acquired_labels, record.held_out_indices)

    def after(self, record: RoundRecord) -> LabelledSet:
        """The labels after a round: what it acquired is added."""
        return LabelledSet(
            self.indices + record.acquired_indices, self.labels + record.acquired_labels, record.held_out_indices
        )


def draw_initial(labels: Tensor, count: int, balanced: bool, generator: torch.Generator) -> Tensor:
    """``count`` dataset indices, at random; with ``balanced`` as many of every one of ``labels`` (N,) as can be.

    A balanced draw is the result of labelling images in a random order and keeping the first of each class, without
    counting the others as labelled. So it uses labels beyond the ``count`` that it returns, but only to leave those
    images out: which others there are does not depend on any model or strategy.
    """
    order = torch.randperm(len(labels), generator=generator)
    if balanced:
        order = order[_rank_within_class(labels[order]).argsort(stable=True)]
    return order[:count]


def _rank_within_class(labels: Tensor) -> Tensor:
    """How many earlier entries of ``labels`` (N,) have the same label, (N,)."""
    rank = torch.empty_like(labels)
    for label in labels.unique():
        where = labels == label
        rank[where] = torch.arange(int(where.sum()))
    return rank
