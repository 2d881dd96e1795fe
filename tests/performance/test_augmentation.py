"""Batched augmentation against the usual loop over torchvision's transforms of Pillow images.

``python -m pytest tests/performance/test_augmentation.py --benchmark-group-by=group``
"""

from collections.abc import Callable, Iterator

import pytest
import torch
from PIL import Image, ImageDraw
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor
from torchvision import transforms

from benchmark.training.augmentation import augmentation, normalise

BATCH = 128
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images() -> Tensor:
    """A batch the size of CIFAR-10's images, smooth enough for the operations to have work to do."""
    coarse = torch.rand(BATCH, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear")
    return (smooth * 255).permute(0, 2, 3, 1).to(torch.uint8).contiguous()


def cutout(image: Image.Image) -> Image.Image:
    x, y = torch.randint(-8, 24, (2,)).tolist()
    ImageDraw.Draw(image).rectangle((x, y, x + 15, y + 15), (127, 127, 127))
    return image


def pillow_loop(images: Tensor, *steps: Callable[[Image.Image], Image.Image]) -> Callable[[], Tensor]:
    transform = transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    arrays = images.numpy()
    return lambda: torch.stack([transform(Image.fromarray(array)) for array in arrays])


def batched(images: Tensor, name: str) -> Callable[[], Tensor]:
    draws = augmentation(name).draw(1, len(images), (32, 32), torch.Generator().manual_seed(0)).step(0)
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    return lambda: normalise(augmentation(name).apply(images, draws), mean, std)


def report(benchmark: BenchmarkFixture, work: Callable[[], Tensor]) -> None:
    result = benchmark(work)
    assert result.shape == (BATCH, 3, 32, 32)
    benchmark.extra_info["images_per_second"] = round(BATCH / benchmark.stats.stats.median)


@pytest.mark.benchmark(group="flip-crop")
def test_flip_crop_batched(benchmark: BenchmarkFixture, images: Tensor) -> None:
    report(benchmark, batched(images, "flip-crop"))


@pytest.mark.benchmark(group="flip-crop")
def test_flip_crop_pillow(benchmark: BenchmarkFixture, images: Tensor) -> None:
    report(benchmark, pillow_loop(images, transforms.RandomHorizontalFlip(), transforms.RandomCrop(32, 4)))


@pytest.mark.benchmark(group="strong")
def test_strong_batched(benchmark: BenchmarkFixture, images: Tensor) -> None:
    report(benchmark, batched(images, "strong"))


@pytest.mark.benchmark(group="strong")
def test_strong_pillow(benchmark: BenchmarkFixture, images: Tensor) -> None:
    crop = transforms.RandomCrop(32, 4, padding_mode="reflect")
    apply_half = transforms.RandomApply([transforms.RandAugment(num_ops=1)], p=0.5)
    report(
        benchmark,
        pillow_loop(images, transforms.RandomHorizontalFlip(), crop, apply_half, apply_half, cutout),
    )


@pytest.mark.benchmark(group="draw")
def test_draw_block(benchmark: BenchmarkFixture) -> None:
    generator = torch.Generator().manual_seed(0)
    draws = benchmark(lambda: augmentation("strong").draw(1024, BATCH, (32, 32), generator))
    assert draws.flip.shape == (1024, BATCH)
