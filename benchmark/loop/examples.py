"""A few test images with a network's predictions, for a figure: a report has no data set to take them from."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from benchmark.data.datasets import ImageData
from benchmark.loop.diagnostics import spaced
from benchmark.results.records import ExamplesRecord

COUNT = 12  # of each kind
LARGEST = 64  # pixels a side; of larger images every second, third, … row and column is kept


def examples(data: ImageData, logits: Tensor) -> ExamplesRecord:
    """Test images by the ``logits`` (M, C) for all of them: 12 evenly spaced ones, then the most confident mistakes.

    The spaced ones are chosen by their positions alone.
    """
    labels = data.test_labels.cpu()
    confidence, predicted = logits.cpu().double().softmax(1).max(1)
    wrong = (predicted != labels).nonzero().squeeze(1)
    wrong = wrong[confidence[wrong].argsort(descending=True, stable=True)][:COUNT]
    some = spaced(torch.arange(len(labels)), COUNT)
    chosen = torch.cat([some, wrong])
    stride = math.ceil(max(data.image_size) / LARGEST)
    return ExamplesRecord(
        images=data.test_images[chosen.to(data.test_images.device)][:, ::stride, ::stride].cpu().numpy(),
        labels=labels[chosen].numpy(),
        predicted=predicted[chosen].numpy(),
        confidence=confidence[chosen].numpy(),
        mistakes=np.repeat([False, True], [len(some), len(wrong)]),
        names=np.array(data.class_names),
    )
