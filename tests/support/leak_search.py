"""A search for secrets in all that an object leads to as data.

Tensors, arrays, containers, attributes and closures are looked at; not the globals of modules.
"""

import gc
from collections.abc import Iterator
from numbers import Number
from types import FunctionType, ModuleType

import numpy as np
import torch
from torch import Tensor

from benchmark.data.image_data import ImageData
from benchmark.loop.pool import FittedPool
from benchmark.models import factory
from benchmark.training.batches import Images
from benchmark.training.predict import Predictor


def reachable(root: object) -> Iterator[object]:
    """All objects that ``root`` leads to as data."""
    seen: dict[int, object] = {}
    stack = [root]
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, (type, ModuleType)):
            continue
        seen[id(thing)] = thing
        yield thing
        if isinstance(thing, FunctionType):
            stack += [thing.__closure__, thing.__defaults__, thing.__kwdefaults__, thing.__dict__]
        else:
            stack += gc.get_referents(thing)
            stack.append(getattr(thing, "__dict__", None))
        if isinstance(thing, Tensor):
            stack.append(thing.grad)


def columns(thing: object) -> Tensor:
    """The numbers in a tensor, an array or a container, as rows of one or more columns; empty for anything else."""
    if isinstance(thing, np.ndarray) and thing.dtype.kind in "biuf":
        thing = torch.from_numpy(thing.astype(np.float64))
    elif isinstance(thing, (list, tuple, dict)):
        items = list(thing.values() if isinstance(thing, dict) else thing)
        if all(isinstance(item, Number) or (isinstance(item, Tensor) and item.dim() == 0) for item in items):
            thing = torch.tensor([float(item) for item in items])
    if isinstance(thing, Tensor) and thing.dim():
        return thing.detach().double().reshape(len(thing), -1) if thing.numel() else torch.empty(0, 1)
    return torch.empty(0, 1)


def storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def leaks(root: object, secrets: list[Tensor], *, memory: list[Tensor]) -> list[str]:
    """What ``root`` leads to that equals one of ``secrets`` in a column, or that shares the memory of ``memory``."""
    forbidden = {storage(tensor) for tensor in [*secrets, *memory]}
    found = []
    for thing in reachable(root):
        if isinstance(thing, Tensor) and thing.numel() and storage(thing) in forbidden:
            found.append(f"the memory of a secret: {tuple(thing.shape)}")
        if isinstance(thing, np.ndarray) and any(np.may_share_memory(thing, s.numpy()) for s in [*secrets, *memory]):
            found.append(f"the memory of a secret: {thing.shape}")
        values = columns(thing)
        for secret in secrets:
            if len(values) == len(secret) and (values == secret.double()[:, None]).all(0).any():
                found.append(f"the labels as a {type(thing).__name__}")
    return found


def untrained_pool(data: ImageData) -> FittedPool:
    """The pool of an untrained network, the first 20 images labelled."""
    torch.manual_seed(0)
    network = factory.build("cnn", {"width": 4, "hidden": 16}, 1, (8, 8), 10)
    images = Images(data.train_images, data.mean, data.std)
    everything = torch.arange(len(data.train_labels))
    labels = data.train_labels[:20].clone()
    return FittedPool(images, everything[20:], everything[:20], labels, 10, Predictor(network, None, "float32"))
