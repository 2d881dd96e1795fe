"""What RandAugment draws: which operations, with what values, how many to an image, and the cutout after them.

Three implementations under one name, none alike:

- **FIXMATCH**, of kekmodel/FixMatch-pytorch (commit 040be3b), which has the ranges of the table in Sohn et al.,
  "FixMatch", NeurIPS 2020: two operations, each applied with probability 1/2, magnitudes 1 … 9 of 10.
- **USB**, of TorchSSL and USB (microsoft/Semi-supervised-learning, commit 1ef4ceb), with which FlexMatch, FreeMatch
  and SoftMatch were published: three operations, always applied, values uniform in their ranges, and a square whose
  side is drawn as well.
- The authors' code (google-research/fixmatch, commit d4985a1), which we do not have: FIXMATCH's draw, but colours,
  contrast, brightness and sharpness from 0.28 to 1.72 instead of 0.14 to 0.86, 1 to 4 bits instead of 4 to 7,
  translations by 1 to 9 pixels instead of 0 to 8 of 32, and grey instead of black outside of the image.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

OPERATIONS = (
    "AutoContrast",
    "Brightness",
    "Color",
    "Contrast",
    "Equalize",
    "Identity",
    "Posterize",
    "Rotate",
    "Sharpness",
    "ShearX",
    "ShearY",
    "Solarize",
    "TranslateX",
    "TranslateY",
)
LEVELS = 256  # of a value that is uniform in a range


class Law(NamedTuple):
    """``per_image`` operations to an image, one after the other, each a row drawn uniformly from ``rows``.

    A row is the name of an operation and its value: the share of the original image for Brightness, Color, Contrast
    and Sharpness; the bits kept for Posterize; the least inverted grey level for Solarize; degrees for Rotate; a share
    of the image for shears and translations. Rows repeat where an operation has no value or no sign.
    """

    name: str
    rows: tuple[tuple[str, float], ...]
    per_image: int
    whole_pixels: bool

    def __hash__(self) -> int:  # of a few thousand rows, in every step
        return hash(self.name)


def _fixmatch(operation: str, magnitude: int, sign: int) -> float:
    """The value of ``magnitude``, of 10."""
    match operation:
        case "Posterize":
            return 4 + magnitude * 4 // 10
        case "Solarize":
            return 256 - magnitude * 256 // 10
        case "Rotate":
            return magnitude * sign * 3
        case "ShearX" | "ShearY" | "TranslateX" | "TranslateY":
            return magnitude * sign * 0.3 / 10
    return magnitude * 0.9 / 10 + 0.05


# All equally likely: 14 operations × magnitude 1 … 9 × sign, and as many identities, because an operation that is
# drawn is applied with probability 1/2.
SETTINGS: tuple[tuple[str, int, int], ...] = tuple(itertools.product(OPERATIONS, range(1, 10), (1, -1)))
FIXMATCH = Law(
    "fixmatch",
    tuple((operation, _fixmatch(operation, magnitude, sign)) for operation, magnitude, sign in SETTINGS)
    + (("Identity", 1.0),) * len(SETTINGS),
    per_image=2,
    whole_pixels=True,
)

RANGES = {
    "Posterize": (4.0, 8.0),  # cut off to whole bits
    "Rotate": (-30.0, 30.0),
    "ShearX": (-0.3, 0.3),
    "ShearY": (-0.3, 0.3),
    "Solarize": (0.0, 256.0),
    "TranslateX": (-0.3, 0.3),
    "TranslateY": (-0.3, 0.3),
}
_BLENDED = (0.05, 0.95)


def _usb(operation: str, level: int) -> float:
    """The middle of the ``level``-th of LEVELS equal parts of the operation's range."""
    low, high = RANGES.get(operation, _BLENDED)
    return low + (high - low) * (level + 0.5) / LEVELS


USB = Law(
    "usb",
    tuple((operation, _usb(operation, level)) for operation in OPERATIONS for level in range(LEVELS)),
    per_image=3,
    whole_pixels=False,
)
