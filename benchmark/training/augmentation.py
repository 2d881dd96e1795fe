"""Crops, flips, RandAugment and Cutout on whole batches of uint8 images, and their normalisation.

Random choices and their effect are separate. ``Augmentation.draw`` draws all random choices of a block of steps from
a CPU generator, as small integers; ``Augmentation.apply`` applies those of one step, deterministically, on the
images' device. So the choices are the same on every device, and the augmentation of an image depends on its own
choices alone, not on the other images of its batch.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from benchmark.training.randaugment import randaugment, take_pixels
from benchmark.training.randaugment_laws import FIXMATCH, USB, Law

MAX_STEPS = 1024  # in one block of draws
_CUTOUT_GREY = 127
_USB_COLOUR = (125, 123, 114)  # of USB's cutout
_USB_GREY = 123  # the brightness of that colour
_PARTS = 16  # of a pixel, of the place of a square whose side is drawn
_SIDES = 1024  # that are drawn


class Draws(NamedTuple):
    """The random choices for B images in each of S steps, int16; without the S for a single step.

    Every augmentation draws all of them, used or not: with equal generators all flip and crop alike. Those of USB,
    which draw more, do so among themselves.
    """

    flip: Tensor  # (S, B), 1 where the image is mirrored
    corner: Tensor  # (S, B, 2), the crop's top row and left column in the padded image
    operations: Tensor  # (S, B, k), rows of the law of RandAugment, which draws k
    centre: Tensor  # (S, B, 2), the cutout's central row and column; (S, B, 3) where its side is drawn, see _usb_cutout

    def step(self, step: int | Tensor) -> Draws:
        """The choices of one step, (B, …).

        ``step`` may be an int64 tensor (1,) on the draws' device, which is read there: the host does not wait.
        """
        if isinstance(step, int):
            return Draws(*(choices[step] for choices in self))
        return Draws(*(choices.index_select(0, step).squeeze(0) for choices in self))

    def to(self, device: torch.device | str) -> Draws:
        """The same choices on ``device``."""
        return Draws(*(choices.to(device) for choices in self))


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training image, in this order; see ``augmentation`` for the named ones.

    ``flip`` mirrors it horizontally with probability 1/2. ``crop`` pads all sides, with zeros or by reflection
    about the outermost pixels, and cuts the original size out at a uniformly random place; it pads by the smaller
    side divided by ``padding`` (by 8: 4 at 32 pixels, 3 at 28). ``randaugment`` is what RandAugment draws, None for
    no RandAugment. ``cutout`` paints a square of grey 127 (DeVries & Taylor, arXiv 1708.04552), its side the image's
    smaller side divided by ``cutout``; 0 for none. The square's centre is uniform among the pixels; it covers rows
    centre − side // 2 + (0 … side − 1), columns likewise, and what lies outside the image is cut off, as in
    Google's FixMatch. (kekmodel/FixMatch-pytorch shifts squares at the top and left edge inwards, and paints
    side + 1 pixels.) After USB's RandAugment the square is USB's, whose side is drawn: from 1 pixel up to the
    image's smaller side divided by ``cutout``.
    """

    name: str
    flip: bool = False
    crop: Literal["zero", "reflect"] | None = None
    padding: int = 8
    randaugment: Law | None = None
    cutout: int = 0

    def draw(self, steps: int, batch: int, image_size: tuple[int, int], generator: torch.Generator) -> Draws:
        """The choices for ``steps`` batches of ``batch`` images of ``image_size`` (height, width).

        They depend on the state of ``generator`` alone: several short blocks give what one long block gives. Raises
        ValueError for more than MAX_STEPS steps, or a generator that is not on the CPU.
        """
        if not 1 <= steps <= MAX_STEPS:
            raise ValueError(f"cannot draw {steps} steps at once: draw blocks of 1 to {MAX_STEPS}")
        if generator.device.type != "cpu":
            raise ValueError(f"draws are made on the CPU: pass a CPU generator, not {generator.device}")
        height, width = image_size
        corners = 2 * self._pixels(height, width) + 1
        law = self.randaugment or FIXMATCH
        places = (_PARTS * height, _PARTS * width, _SIDES) if law is USB else (height, width)
        limits = (2, corners, corners, *[len(law.rows)] * law.per_image, *places)
        # One stream of 31-bit numbers in the order of the steps; the modulo's bias is below 1e-6.
        numbers = torch.empty((steps, batch, len(limits)), dtype=torch.int32).random_(generator=generator)
        choices = (numbers % torch.tensor(limits, dtype=torch.int32)).short()
        square = 3 + law.per_image
        return Draws(choices[..., 0], choices[..., 1:3], choices[..., 3:square], choices[..., square:])

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """``images`` (B, H, W, C), uint8, augmented by the ``draws`` of one step; uint8 again.

        ``images`` are not changed, and returned themselves if there is nothing to do. On a GPU the host never waits.
        Raises ValueError for images of another kind, and for draws that are not those of one step for B images.
        """
        if images.is_floating_point() and self.name == "none":
            return images  # embeddings
        if images.dim() != 4 or images.dtype != torch.uint8:
            raise ValueError(f"images must be uint8 (B, H, W, C), not {images.dtype} {tuple(images.shape)}")
        if draws.flip.shape != images.shape[:1]:
            drawn = tuple(draws.flip.shape)
            raise ValueError(f"draws for {drawn} images do not fit {len(images)}: pass one step, draws.step(s)")
        if self.flip or self.crop:
            images = self._flip_and_crop(images, draws)
        if self.randaugment is not None:
            images = randaugment(images, draws.operations, self.randaugment, static_shapes=images.device.type != "cpu")
        if self.cutout and self.randaugment is USB:
            return _usb_cutout(images, draws.centre, min(images.shape[1:3]) / self.cutout)
        if self.cutout:
            side = min(images.shape[1:3]) // self.cutout
            images = _cutout(images, draws.centre - side // 2, side)
        return images

    def _flip_and_crop(self, images: Tensor, draws: Draws) -> Tensor:
        _, height, width, _ = images.shape
        rows = torch.arange(height, device=images.device).expand(len(images), height)
        columns = torch.arange(width, device=images.device).expand(len(images), width)
        if self.crop:
            offset = draws.corner - self._pixels(height, width)
            rows, columns = rows + offset[:, :1], columns + offset[:, 1:]
        if self.crop == "reflect":
            rows, columns = _reflect(rows, height), _reflect(columns, width)
        if self.flip:
            columns = torch.where(draws.flip.bool().unsqueeze(1), width - 1 - columns, columns)
        return take_pixels(images, rows.unsqueeze(2), columns.unsqueeze(1))

    def _pixels(self, height: int, width: int) -> int:
        """The number of pixels by which ``crop`` pads."""
        return min(height, width) // self.padding


_AUGMENTATIONS = {
    known.name: known
    for known in (
        Augmentation("none"),
        Augmentation("crop", crop="zero"),
        Augmentation("flip-crop", flip=True, crop="zero"),
        Augmentation("flip-crop-reflect", flip=True, crop="reflect"),
        Augmentation("flip-crop-cutout", flip=True, crop="reflect", cutout=4),
        Augmentation("flip-shift-cutout", flip=True, crop="reflect", padding=16, cutout=4),
        Augmentation("strong", flip=True, crop="reflect", randaugment=FIXMATCH, cutout=2),
        Augmentation("strong-no-flip", crop="reflect", randaugment=FIXMATCH, cutout=2),
        Augmentation("strong-usb", flip=True, crop="reflect", randaugment=USB, cutout=2),
    )
}


def augmentation(name: str) -> Augmentation:
    """The augmentation called ``name``; ValueError if there is none.

    ``none``; ``crop`` (padded with zeros); ``flip-crop``, the literature's for CIFAR-10;
    ``flip-crop-reflect`` and ``strong``, FixMatch's weak and strong views; ``strong-usb``, USB's strong view, and
    FlexMatch's, FreeMatch's and SoftMatch's; ``strong-no-flip``, for digits;
    ``flip-crop-cutout``, ``flip-crop-reflect`` with a square of a quarter of the side cut out; ``flip-shift-cutout``,
    the same with crops of half that reach (2 pixels at 32).
    """
    if name not in _AUGMENTATIONS:
        raise ValueError(f"unknown augmentation {name!r}: choose one of {', '.join(_AUGMENTATIONS)}")
    return _AUGMENTATIONS[name]


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(x / 255 − mean) / std of uint8 ``images`` (B, H, W, C): float32 (B, C, H, W), channels_last in memory.

    Embeddings, which are float32, are not divided by 255.
    ``mean`` and ``std`` (C,) are float32, on the images' device.
    """
    batch, height, width, channels = images.shape
    scale = 1 / (std if images.is_floating_point() else 255 * std)
    # A whole row of pixels at a time: three channels alone are too short an inner loop.
    rows = images.reshape(batch, height, width * channels)
    normalised = torch.addcmul((-mean / std).repeat(width), rows, scale.repeat(width))
    return normalised.view(batch, height, width, channels).permute(0, 3, 1, 2)


def _reflect(indices: Tensor, size: int) -> Tensor:
    """Indices beyond either end of ``size`` pixels, reflected about the end pixel."""
    last = size - 1
    return last - (last - indices.abs()).abs()


def _cutout(images: Tensor, first: Tensor, side: int | Tensor, colour: Tensor | int = _CUTOUT_GREY) -> Tensor:
    """Paint ``side`` rows and columns, an int or (B, 1), from the ``first`` row and column (B, 2) on."""
    batch, height, width, channels = images.shape
    start = first.int()
    row = torch.arange(height, device=images.device) - start[:, :1]
    column = torch.arange(width * channels, device=images.device) // channels - start[:, 1:]
    mask = ((row >= 0) & (row < side)).unsqueeze(2) & ((column >= 0) & (column < side)).unsqueeze(1)
    rows = images.reshape(batch, height, width * channels)
    if isinstance(colour, Tensor):
        return torch.where(mask, colour.repeat(width), rows).view(images.shape)
    return rows.masked_fill(mask, colour).view(images.shape)


def _usb_cutout(images: Tensor, drawn: Tensor, most: float) -> Tensor:
    """USB's square, by ``drawn`` (B, 3): a central row and column in parts of a pixel, and a side in parts of ``most``.

    With v the side and c the centre, it begins at ⌊max(0, c − v / 2)⌋, is moved inwards where it would begin outside,
    and has ⌊v⌋ + 1 pixels, as Pillow paints both ends of a rectangle.
    """
    side = most * (drawn[:, 2:].float() + 0.5) / _SIDES
    centre = (drawn[:, :2].float() + 0.5) / _PARTS
    first = (centre - side / 2).clamp(min=0).floor()
    colour: Tensor | int = _USB_GREY
    if images.shape[3] == len(_USB_COLOUR):
        colour = _on_device(images.device)
    return _cutout(images, first, side.int() + 1, colour)


@functools.lru_cache(maxsize=16)
def _on_device(device: torch.device) -> Tensor:
    return torch.tensor(_USB_COLOUR, dtype=torch.uint8, device=device)
