"""How good pseudo-labels were, from the true labels: after a training, for its traces alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from benchmark.training.pseudo_labels import NONE, Epoch


def judged(traces: Sequence[dict[str, float]], given: Sequence[Epoch], truth: Tensor | None) -> list[dict[str, float]]:
    """A training's traces, with what is to be said of the pseudo-labels that were ``given`` up to a line's step.

    ``accepted`` is the share, of the unlabelled images that got one, of those where it had a weight. From ``truth``
    (N,), the true labels of the unlabelled images, follow ``precision``, the share of right ones by weight, and
    ``right``, that of all whatever their weight. Each is left out where nothing was given or had a weight.
    """
    lines = [dict(line) for line in traces]
    last = {line["step"]: line for line in lines}  # of lines of the same step the one written last
    for step, labels, weights in given:
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
    return lines
