"""Quality of predictions: accuracy, negative log-likelihood, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

BINS = 15


@dataclass(frozen=True)
class Metrics:
    """``accuracy`` in [0, 1]; ``nll`` in nats; ``ece`` in [0, 1], over 15 bins of equal width (Guo et al. 2017).

    ``bins`` has for each bin the number of images, their mean confidence and the number of correct ones;
    ``class_accuracy`` has None for a class without test images.
    """

    accuracy: float
    nll: float
    ece: float
    bins: tuple[tuple[int, float, int], ...]
    class_accuracy: tuple[float | None, ...]


def evaluate(logits: Tensor, labels: Tensor) -> Metrics:
    """Metrics of ``logits`` (M, C) on ``labels`` (M,). Raises ValueError for logits that are not finite."""
    logits, labels = logits.double().cpu(), labels.cpu()
    if not torch.isfinite(logits.sum()):  # of float64 from float32: no sum of finite ones overflows
        raise ValueError("the training diverged: the network's outputs are not finite; lower recipe.learning_rate")
    confidence, predicted = logits.softmax(1).max(1)
    correct = (predicted == labels).double()
    which = (confidence * BINS).ceil().long().clamp(1, BINS) - 1  # bins (0, 1/15], (1/15, 2/15], …
    count = torch.bincount(which, minlength=BINS)
    confidences = torch.zeros(BINS, dtype=torch.float64).index_add_(0, which, confidence)
    corrects = torch.zeros(BINS, dtype=torch.float64).index_add_(0, which, correct)
    per_class = torch.bincount(labels, minlength=logits.shape[1])
    per_class_correct = torch.bincount(labels, weights=correct, minlength=logits.shape[1])
    return Metrics(
        accuracy=correct.mean().item(),
        nll=F.cross_entropy(logits, labels).item(),
        ece=((corrects - confidences).abs().sum() / len(labels)).item(),
        bins=tuple(
            (n, (c / n).item() if n else 0.0, int(k))
            for n, c, k in zip(count.tolist(), confidences, corrects.tolist(), strict=True)
        ),
        class_accuracy=tuple(
            k / n if n else None for n, k in zip(per_class.tolist(), per_class_correct.tolist(), strict=True)
        ),
    )
