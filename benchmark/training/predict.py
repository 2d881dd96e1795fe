"""Predictions of a fitted network: one pass over the images, in eval mode, without augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from benchmark.experiment import seeds
from benchmark.models.network import Network
from benchmark.training.batches import Images
from strategies.api import Attachment
from strategies.kernels.laplace import LastLayerPosterior, with_one

CHUNK = 256  # images per forward pass: activations stay in the CPU's cache
CHUNK_CUDA = 2048
_BLOCK, _BLOCK_CUDA = 2**18, 2**25  # outputs of drawn heads at once: on a CPU they stay in its cache


class Predictions(NamedTuple):
    """Logits (N, C), embeddings (N, D) and, if there is an attachment, its outputs (N,); all float32."""

    logits: Tensor
    embeddings: Tensor
    attached: Tensor | None


class Predictor:
    """A fitted network with the strategy's attachment, if it has one. ``precision`` is the recipe's."""

    def __init__(self, network: Network, attachment: Attachment | None, precision: str) -> None:
        self.network = network
        self.attachment = attachment
        self.precision = precision

    @torch.no_grad()
    def predict(self, images: Images, indices: Tensor) -> Predictions:
        """Predictions for the images ``indices`` (N,)."""
        logits, embeddings, attached = [], [], []
        self._eval()
        for chunk, count in self._chunks(images, indices):
            with autocast(chunk.device, self.precision):
                output = self.network(chunk)
                logits.append(output.logits[:count].float())
                embeddings.append(output.embedding[:count].float())
                if self.attachment is not None:  # it reads the output, and cannot change what is predicted
                    logits[-1], embeddings[-1] = logits[-1].clone(), embeddings[-1].clone()
                    attached.append(self.attachment(output)[:count].float())
        return Predictions(torch.cat(logits), torch.cat(embeddings), torch.cat(attached) if attached else None)

    @torch.no_grad()
    def logits(self, images: Images, indices: Tensor) -> Tensor:
        """The logits (N, C) for the images ``indices`` (N,).

        A solved network is one matrix product: of all images where most are asked for, which takes less time than to
        gather them. Which ones are asked for then changes no bit.
        """
        if not self.network.solved or 2 * len(indices) < len(images.pixels):
            return self.predict(images, indices).logits
        head = self.network.head
        weight = head.weight / images.std
        logits = F.linear(images.pixels.flatten(1), weight, head.bias - weight @ images.mean)
        return logits[indices]

    @torch.no_grad()
    def embeddings(self, images: Images, indices: Tensor) -> Tensor:
        """The embeddings (N, D) for the images ``indices`` (N,); to a solved network they are the images."""
        if not self.network.solved:
            return self.predict(images, indices).embeddings
        return torch.cat([images.normalised(part).flatten(1) for part in indices.split(CHUNK_CUDA)])

    @torch.no_grad()
    def mc_probs(self, images: Images, indices: Tensor, samples: int, seed: int, round_: int) -> Tensor:
        """Probabilities (N, K, C) under K = ``samples`` dropout masks, each the same for every image.

        The masks come from streams of ``seed``, ``round_`` and k. Only dropout is on; BatchNorm stays in eval mode.
        Raises ValueError for a network without dropout.
        """
        if not self.network.dropouts:
            raise ValueError("Monte-Carlo dropout needs a network with dropout: set model.parameters.dropout above 0")
        self._eval()
        dropouts = self.network.dropouts
        masks = [
            [m.draw_mask(seeds.generator(seed, f"mc-dropout/{k}/{i}", round_)) for i, m in enumerate(dropouts)]
            for k in range(samples)
        ]
        chunks = []
        try:
            for chunk, count in self._chunks(images, indices):
                with autocast(chunk.device, self.precision):
                    features, _ = self.network.backbone(chunk)
                    sampled = [self._sample(features, mask) for mask in masks]
                chunks.append(torch.stack(sampled, 1)[:count])
        finally:
            for module in dropouts:
                module.mask = None
        return torch.cat(chunks)

    @torch.no_grad()
    def posterior_probs(
        self, images: Images, indices: Tensor, labelled: Tensor, samples: int, seed: int, round_: int
    ) -> Tensor:
        """Probabilities (N, K, C) under K = ``samples`` draws of the last layer, each the same for every image.

        The draws are those of the Laplace approximation of its posterior given the images ``labelled`` (L,), with
        Kronecker factors, from a stream of ``seed`` and ``round_``. The prior's precision λ is the one of highest
        evidence for the weights alone, as the bias of a class without labels, far below 0, says nothing of it. The
        biases are drawn with λ, too, around where they are: such a class has next to no probability in any draw.
        """
        posterior = LastLayerPosterior.fitted(self.network.head, self.embeddings(images, labelled))
        noise = torch.randn(
            (samples, *posterior.mean.shape), generator=seeds.generator(seed, "mc-dropout", round_), dtype=torch.float64
        )
        weights = posterior.weights(noise.to(posterior.mean.device)).float()
        found = weights.new_empty(len(indices), *weights.shape[:2])
        for rows, logits in _by_heads(with_one(self.embeddings(images, indices)), weights):
            found[rows] = logits.softmax(1).transpose(1, 2)
        return found

    @torch.no_grad()
    def noisy_logits(
        self, images: Images, indices: Tensor, samples: int, scale: float, seed: int, round_: int
    ) -> Tensor:
        """Logits (N, K, C) under K = ``samples`` draws of noise in the weights, each the same for every image.

        Every ``weight`` w of a layer gets Gaussian noise of length ``scale`` · ‖w‖, from streams of ``seed``,
        ``round_``, k and the weight. In float32: bfloat16 would round small noise away. The network is left alone.
        """
        self._eval()
        if self.network.solved:
            return self._noisy_heads(images, indices, samples, scale, seed, round_)
        weights = {
            f"{name}.weight": module.weight
            for name, module in self.network.named_modules()
            if isinstance(getattr(module, "weight", None), nn.Parameter)
        }
        drawn = []
        for k in range(samples):
            noisy: dict[str, Tensor] = {}
            for i, (name, weight) in enumerate(weights.items()):
                noisy[name] = _with_noise(weight, scale, seeds.generator(seed, f"weight-noise/{k}/{i}", round_))
            passes = self._chunks(images, indices)
            outputs = [functional_call(self.network, noisy, (chunk,)).logits[:count] for chunk, count in passes]
            drawn.append(torch.cat(outputs))
        return torch.stack(drawn, dim=1)

    def _noisy_heads(
        self, images: Images, indices: Tensor, samples: int, scale: float, seed: int, round_: int
    ) -> Tensor:
        """As ``noisy_logits``, of a solved network: its only weights are the head's, so one product is all passes."""
        head = self.network.head
        noisy = [
            _with_noise(head.weight, scale, seeds.generator(seed, f"weight-noise/{k}/0", round_))
            for k in range(samples)
        ]
        weights = torch.cat([torch.stack(noisy), head.bias[None, :, None].expand(samples, -1, -1)], 2)
        found = weights.new_empty(len(indices), *weights.shape[:2])
        for rows, logits in _by_heads(with_one(self.embeddings(images, indices)), weights):
            found[rows] = logits.transpose(1, 2)
        return found

    def _sample(self, features: Tensor, masks: list[Tensor]) -> Tensor:
        for module, mask in zip(self.network.dropouts, masks, strict=True):
            module.mask = mask.to(features.device)
        return self.network.classify(self.network.embed(features)).softmax(1)

    def _eval(self) -> None:
        self.network.eval()
        if self.attachment is not None:
            self.attachment.eval()

    def _chunks(self, images: Images, indices: Tensor) -> Iterator[tuple[Tensor, int]]:
        """Chunks of equal size with their number of images; the last one is padded.

        So an image's prediction cannot depend on the size of its chunk.
        """
        size = CHUNK_CUDA if images.device.type == "cuda" else CHUNK
        for part in indices.split(size):
            count = len(part)
            padded = torch.cat([part, part[-1:].expand(size - count)]) if count < size else part
            yield images.normalised(padded), count


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The recipe's precision as an autocast context."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _with_noise(weight: Tensor, scale: float, generator: torch.Generator) -> Tensor:
    """``weight`` with Gaussian noise of length ``scale`` · ‖weight‖ added."""
    noise = torch.randn(weight.shape, generator=generator)
    return weight + (noise / noise.norm()).to(weight.device) * (scale * weight.norm())


def _by_heads(inputs: Tensor, weights: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The outputs of K heads ``weights`` (K, C, D) for ``inputs`` (N, D): rows of them, with (rows, C, K).

    Classes come before heads: a softmax over ten values that lie side by side takes three times the product's time.
    """
    heads, classes = weights.shape[:2]
    block = _BLOCK_CUDA if inputs.device.type == "cuda" else _BLOCK
    stacked = weights.transpose(0, 1).flatten(0, 1).T
    size = max(1, block // (heads * classes))
    for start in range(0, len(inputs), size):
        part = inputs[start : start + size]
        yield slice(start, start + size), (part @ stacked).view(len(part), classes, heads)
