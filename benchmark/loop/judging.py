"""How good pseudo-labels were, by the true labels: after a training, for its traces alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from benchmark.training.log import Trace
from benchmark.training.pseudo_labels import NONE, EpochPseudoLabels


def judged(traces: Sequence[Trace], pseudo_labels: Sequence[EpochPseudoLabels], truth: Tensor | None) -> list[Trace]:
    """The traces of a training with the quality of the pseudo-labels that it used in the epoch of each.

    ``accepted`` is the share, among the unlabelled images that got a pseudo-label, of those with a positive weight.
    From ``truth`` (N,), the true labels of the unlabelled images, follow ``right``, the share of correct
    pseudo-labels among all that were given, and ``precision``, the same by weight. A value is left out where nothing
    was given or nothing had a weight. Pseudo-labels belong to the last trace with their number of steps.
    """
    values = [dict(trace.values) for trace in traces]
    last = {trace.step: values[i] for i, trace in enumerate(traces)}
    for step, labels, weights in pseudo_labels:
        seen = labels != NONE
        if step not in last or not seen.any():
            continue
        weights = weights[seen].double()
        last[step]["accepted"] = (weights > 0).double().mean().item()
        if truth is not None:
            correct = (labels[seen].long() == truth.cpu()[seen]).double()
            last[step]["right"] = correct.mean().item()
            if weights.sum() > 0:
                last[step]["precision"] = ((weights * correct).sum() / weights.sum()).item()
    return [Trace(trace.step, own) for trace, own in zip(traces, values, strict=True)]
