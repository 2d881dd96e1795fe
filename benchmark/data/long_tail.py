"""A long-tailed version of a data set: fewer training images from class to class."""

from __future__ import annotations

import dataclasses
import hashlib

import torch

from benchmark.data.image_data import DatasetError, ImageData


def long_tailed(data: ImageData, imbalance: float) -> ImageData:
    """``data`` with fewer training images: the first class has ``imbalance`` times as many as the last.

    Class c of C keeps n·imbalance^(−c / (C−1)) images, rounded down, the first of the data set's order, with n the
    size of the smallest class: the exponential profile of Cui, Jia, Lin, Song & Belongie, "Class-Balanced Loss Based
    on Effective Number of Samples", CVPR 2019. Images are numbered anew. The test images stay as they are. Raises
    DatasetError where a class would be left without an image.
    """
    labels, count = data.train_labels, data.class_count
    largest = int(torch.bincount(labels, minlength=count).min())
    kept = []
    for number in range(count):
        size = int(largest * imbalance ** (-number / (count - 1)) + 1e-9)  # 100 ** -0.5 is not quite a tenth
        if size < 1:
            raise DatasetError(
                f"{data.name}: imbalance {imbalance:g} leaves no image of class {data.class_names[number]}: "
                f"at most {largest:,} is possible"
            )
        kept.append((labels == number).nonzero().squeeze(1)[:size])
    chosen = torch.cat(kept).sort().values
    written = f"{imbalance:g}" if float(f"{imbalance:g}") == imbalance else repr(imbalance)
    return dataclasses.replace(
        data,
        train_images=data.train_images[chosen].contiguous(),
        train_labels=labels[chosen],
        sha256=hashlib.sha256(f"{data.sha256}/imbalance={written}".encode()).hexdigest(),
    )
