"""RandAugment on whole batches, with the operations of FixMatch.

Cubuk et al., "RandAugment", NeurIPS 2020. The operations here give Pillow's pixels: where it computes in fixed point,
so do we. An operation with its value (and a sign in it) is one number, a row of a ``Law``, which says what is drawn:
see ``randaugment_laws``. The parameters of the rows are tabulated once per image size and device, so that only these
numbers have to be drawn and copied.

Images are (n, H, W, C) uint8 with C = 3 (RGB) or C = 1 (grey).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.training.randaugment_laws import Law

Kernel = Callable[[Tensor, Tensor], Tensor]  # of images and a row of parameters for each

_FIXED_POINT_BITS = 16  # of Pillow's affine transform
_LUMA = (19595, 38470, 7471)  # ITU-R 601 in 1/65536, as Pillow converts RGB to L


def randaugment(images: Tensor, settings: Tensor, law: Law, *, static_shapes: bool) -> Tensor:
    """``images`` (n, H, W, C), uint8, after k operations each, one after the other.

    ``settings`` (n, k) are rows of ``law``, on the images' device. With ``static_shapes`` every operation is
    computed for every image and one result is kept: no shape depends on values, so the host never waits for the
    device and a CUDA graph can capture the call. Without it, each operation is computed for its own images only,
    which is faster on a CPU. The pixels are the same. Raises ValueError unless the images have 1 or 3 channels.
    """
    _, height, width, channels = images.shape
    if channels not in (1, 3):
        raise ValueError(f"RandAugment takes 1 or 3 channels, not {channels}: choose a weaker augmentation")
    numbers, tables = _tables(law, height, width, images.device)
    for rows in settings.long().unbind(1):
        chosen = numbers[rows]
        augmented = images.clone()
        for number, (kernel, parameters) in enumerate(tables):
            if static_shapes:
                mask = (chosen == number).view(-1, 1, 1, 1)
                augmented = torch.where(mask, kernel(images, parameters[rows]), augmented)
            elif len(members := (chosen == number).nonzero().squeeze(1)):
                result = kernel(images.index_select(0, members), parameters[rows[members]])
                augmented.index_copy_(0, members, result)
        images = augmented
    return images


def take_pixels(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The pixels of ``images`` (n, H, W, C) at integer ``rows`` and ``columns``, (n, H', W', C); black outside.

    ``rows`` and ``columns`` are broadcast to (n, H', W').
    """
    count, height, width, channels = images.shape
    black = count * height * width  # an extra pixel after the last: cheaper than a mask
    first = torch.arange(0, black, height * width, device=images.device).view(-1, 1, 1)
    inside = ((rows >= 0) & (rows < height)) & ((columns >= 0) & (columns < width))
    source = torch.where(inside, (first + rows * width) + columns, black)
    pixels = torch.cat([images.reshape(black, channels), images.new_zeros(1, channels)])
    return pixels.index_select(0, source.flatten()).view(*source.shape, channels)


def _planes(images: Tensor) -> Tensor:
    """The grey values as indices, (n, C, H·W) int64."""
    return images.permute(0, 3, 1, 2).flatten(2).long()


def _look_up(images: Tensor, curves: Tensor) -> Tensor:
    """Each value replaced by its entry in ``curves`` (n, C or 1, 256) uint8."""
    count, height, width, channels = images.shape
    planes = curves.expand(count, channels, 256).gather(2, _planes(images))
    return planes.view(count, channels, height, width).permute(0, 2, 3, 1)


def _luma(images: Tensor) -> Tensor:
    """The brightness of every pixel, (n, H, W) int32 in 0…255."""
    if images.shape[3] == 1:
        return images[..., 0].int()
    red, green, blue = (weight * images[..., channel].int() for channel, weight in enumerate(_LUMA))
    return (red + green + blue + 0x8000) >> 16


def _blend(degenerate: Tensor, images: Tensor, factors: Tensor) -> Tensor:
    """Between ``degenerate`` (factor 0) and ``images`` (factor 1), rounded down."""
    start = degenerate.float()
    return (start + factors.view(-1, 1, 1, 1) * (images.float() - start)).to(torch.uint8)


def _auto_contrast(images: Tensor, _: Tensor) -> Tensor:
    """Stretch each channel to 0…255, in double precision, truncated; a constant channel stays as it is."""
    planes = _planes(images)
    low, high = (extreme.double().unsqueeze(2) for extreme in (planes.amin(2), planes.amax(2)))
    values = torch.arange(256, dtype=torch.float64, device=images.device)
    span = (high - low).clamp(min=1)
    scale = torch.full_like(span, 255) / span  # 255 / span would multiply by a rounded reciprocal
    stretched = (values * scale + (-low * scale)).clamp(0, 255)
    return _look_up(images, torch.where(high > low, stretched, values).to(torch.uint8))


def _equalize(images: Tensor, _: Tensor) -> Tensor:
    """Equalise each channel's histogram; a channel with fewer than 255 pixels below its maximum stays as it is."""
    planes = _planes(images)
    one = torch.ones(1, dtype=torch.int32, device=images.device)
    histogram = one.new_zeros(*planes.shape[:2], 256).scatter_add_(2, planes, one.expand_as(planes))
    brightest = histogram.gather(2, planes.amax(2, keepdim=True))
    step = (planes.shape[2] - brightest) // 255
    flattened = (step // 2 + histogram.cumsum(2) - histogram) // step.clamp(min=1)
    values = torch.arange(256, device=images.device)
    return _look_up(images, torch.where(step > 0, flattened.clamp(max=255), values).to(torch.uint8))


def _contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the image's mean brightness, rounded to a whole grey level."""
    brightness = _luma(images).flatten(1)
    pixels = brightness.shape[1]
    mean = ((2 * brightness.sum(1, keepdim=True) + pixels) // (2 * pixels)).float()
    values = torch.arange(256, dtype=torch.float32, device=images.device)
    curves = mean + factors.view(-1, 1) * (values - mean)
    return _look_up(images, curves.to(torch.uint8).unsqueeze(1))


def _color(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the image in grey; a grey image stays as it is."""
    if images.shape[3] == 1:
        return images
    return _blend(_luma(images).unsqueeze(3), images, factors)


def _sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the image smoothed by (1 1 1; 1 5 1; 1 1 1) / 13, except for the outermost pixels."""
    values = images.short()
    triples = values[:, :-2] + values[:, 1:-1] + values[:, 2:]
    weighted = triples[:, :, :-2] + triples[:, :, 1:-1] + triples[:, :, 2:] + 4 * values[:, 1:-1, 1:-1]
    smooth = images.float()
    smooth[:, 1:-1, 1:-1] = (weighted.float() / 13).round()  # never a tie: 13 is odd
    return _blend(smooth, images, factors)


def _affine(images: Tensor, coefficients: Tensor) -> Tensor:
    """The nearest pixel under the map ``coefficients`` (n, 6), int32 in fixed point; black outside."""
    _, height, width, _ = images.shape
    a, b, c, d, e, f = coefficients.view(-1, 6, 1, 1).unbind(1)
    x = torch.arange(width, dtype=torch.int32, device=images.device)
    y = torch.arange(height, dtype=torch.int32, device=images.device).view(-1, 1)
    columns = (a * x + (b * y + c)) >> _FIXED_POINT_BITS
    rows = (d * x + (e * y + f)) >> _FIXED_POINT_BITS
    return take_pixels(images, rows, columns)


OPERATIONS: dict[str, Kernel | None] = {
    "AutoContrast": _auto_contrast,
    "Brightness": _look_up,
    "Color": _color,
    "Contrast": _contrast,
    "Equalize": _equalize,
    "Identity": None,
    "Posterize": _look_up,
    "Rotate": _affine,
    "Sharpness": _sharpness,
    "ShearX": _affine,
    "ShearY": _affine,
    "Solarize": _look_up,
    "TranslateX": _affine,
    "TranslateY": _affine,
}


@functools.lru_cache(maxsize=16)
def _tables(law: Law, height: int, width: int, device: torch.device) -> tuple[Tensor, list[tuple[Kernel, Tensor]]]:
    """The kernel number of each row of ``law`` (−1: none); and the kernels with their parameters per row."""
    rows = law.rows
    factors = torch.tensor([value for _, value in rows])
    curves = torch.stack([_curve(name, value) for name, value in rows]).unsqueeze(1)
    inverses = [_inverse(name, value, height, width, law.whole_pixels) for name, value in rows]
    maps = torch.tensor([_fixed_point(inverse) for inverse in inverses], dtype=torch.int32)
    parameters: dict[Kernel, Tensor] = {
        _look_up: curves,
        _affine: maps,
        _auto_contrast: factors,  # which it ignores, as does the next
        _equalize: factors,
        _contrast: factors,
        _color: factors,
        _sharpness: factors,
    }
    order = list(parameters)
    kernels = (OPERATIONS[name] for name, _ in rows)
    numbers = torch.tensor([-1 if kernel is None else order.index(kernel) for kernel in kernels])
    return numbers.to(device), [(kernel, table.to(device)) for kernel, table in parameters.items()]


def _curve(name: str, value: float) -> Tensor:
    """The look-up table of a point operation, (256,) uint8; the identity for other operations."""
    values = torch.arange(256)
    if name == "Brightness":
        values = (torch.tensor(value) * values).long()
    elif name == "Posterize":
        dropped_bits = 8 - int(value)
        values = values >> dropped_bits << dropped_bits
    elif name == "Solarize":
        values = torch.where(values < value, values, 255 - values)
    return values.to(torch.uint8)


def _inverse(name: str, value: float, height: int, width: int, whole_pixels: bool) -> tuple[float, ...]:
    """The affine map (a, b, c, d, e, f) from output to input coordinates of a geometric operation.

    Rotations are about the image's centre; with ``whole_pixels`` translations are cut off to whole ones.
    """
    if name == "Rotate":
        angle = -math.radians(value)
        cos, sin = math.cos(angle), math.sin(angle)
        x, y = width / 2, height / 2
        return cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y
    right, down = value * width, value * height
    if whole_pixels:
        right, down = int(right), int(down)
    return {
        "ShearX": (1, value, 0, 0, 1, 0),
        "ShearY": (1, 0, 0, value, 1, 0),
        "TranslateX": (1, 0, right, 0, 1, 0),
        "TranslateY": (1, 0, 0, 0, 1, down),
    }.get(name, (1, 0, 0, 0, 1, 0))


def _fixed_point(matrix: tuple[float, ...]) -> list[int]:
    """The map in units of 1/65536 pixel, shifted by half a pixel because pixels are looked up by their centres."""
    a, b, c, d, e, f = matrix
    centred = (a, b, c + a / 2 + b / 2, d, e, f + d / 2 + e / 2)
    return [math.floor(value * (1 << _FIXED_POINT_BITS) + 0.5) for value in centred]
