"""What CUDA refuses, and what of an operation is worth a note. From PyTorch's documentation and sources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from support.pretended_gpu.log import LOG, place

aten = torch.ops.aten

# Operations that may take tensors of two devices.
COPIES = {aten.copy_.default, aten._to_copy.default, aten._foreach_copy_.default}
INDEXING = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
    aten._unsafe_index.Tensor,
}
# The host waits: for a value, for a shape that depends on values, or for a check of the result.
WAITS = {
    "_assert_async",
    "_linalg_check_errors",
    "_linalg_eigh",
    "_linalg_svd",
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "item",
    "linalg_eig",
    "linalg_eigh",
    "masked_select",
    "multinomial",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
}
# Atomic additions or split sums: the list of torch.use_deterministic_algorithms, and cuDNN's convolutions.
UNORDERED = {
    "_adaptive_avg_pool2d_backward",
    "_cdist_backward",
    "_index_put_impl_",
    "avg_pool3d_backward",
    "bincount",
    "convolution",
    "convolution_backward",
    "cumprod",
    "cumsum",
    "cumsum_",
    "embedding_dense_backward",
    "grid_sampler_2d_backward",
    "histc",
    "index_add",
    "index_add_",
    "kthvalue",
    "median",
    "nanmedian",
    "nll_loss2d_forward",
    "put_",
    "reflection_pad2d_backward",
    "replication_pad2d_backward",
    "scatter_add",
    "scatter_add_",
    "scatter_reduce",
    "scatter_reduce_",
    "upsample_bilinear2d_backward",
    "upsample_nearest2d_backward",
}
FLOATING_ONLY = {"addmm", "addmv", "baddbmm", "bmm", "dot", "mm", "mv"}
WITHOUT_KERNEL = {"_histogramdd_from_bin_cts", "geqrf", "histogram"}


@dataclass(frozen=True)
class Call:
    """An operation and its arguments; ``asked`` is the device that it was asked to put its result on, if any."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    on_gpu: tuple[Tensor, ...]
    on_host: tuple[Tensor, ...]
    asked: torch.device | None
    generator: str | None  # the type of the device that the generator draws on

    @cached_property
    def name(self) -> str:
        return str(self.function._schema.name).removeprefix("aten::")

    @cached_property
    def result_on_gpu(self) -> bool:
        return bool(self.on_gpu) if self.asked is None else self.asked.type == "cuda"

    def is_on_gpu(self, value: object) -> bool:
        return any(value is tensor for tensor in self.on_gpu)


def refuse(call: Call) -> None:
    """Raise RuntimeError where CUDA would."""
    if call.on_gpu and call.on_host and call.function not in COPIES:
        _refuse_two_devices(call)
    wanted = "cuda" if call.result_on_gpu else "cpu"
    if call.generator not in (None, wanted):
        raise RuntimeError(
            f"Expected a '{wanted}' device type for generator but found '{call.generator}' ({call.name})"
        )
    if call.on_gpu and call.result_on_gpu:
        first = call.on_gpu[0]
        if call.name in FLOATING_ONLY and not (first.is_floating_point() or first.is_complex()):
            raise RuntimeError(f"pretended GPU: '{call.name}' is not implemented for {first.dtype} on CUDA")
        if call.name in WITHOUT_KERNEL:
            raise RuntimeError(f"pretended GPU: '{call.name}' has no CUDA kernel")


def _refuse_two_devices(call: Call) -> None:
    """Scalars (tensors without a dimension) may come from the host, and so may indices of a tensor on the device."""
    if call.function in INDEXING:
        if not call.is_on_gpu(call.args[0]):
            raise RuntimeError(
                f"pretended GPU: {call.name}: the indices are on cuda:0, the indexed tensor is on the CPU"
            )
        values = call.args[2] if len(call.args) > 2 else None
        if isinstance(values, Tensor) and not call.is_on_gpu(values) and values.dim() > 0:
            raise RuntimeError(f"pretended GPU: {call.name}: the values are on the CPU, but the tensor is on cuda:0")
    elif any(tensor.dim() > 0 for tensor in call.on_host):
        shapes = [(tuple(t.shape), "cuda:0") for t in call.on_gpu] + [(tuple(t.shape), "cpu") for t in call.on_host]
        raise RuntimeError(f"pretended GPU: {call.name}: expected all tensors to be on the same device, found {shapes}")
    elif call.function._schema.is_mutable and not call.is_on_gpu(call.args[0]):
        raise RuntimeError(f"pretended GPU: {call.name}: the result would go from cuda:0 into a tensor on the CPU")


def note(call: Call) -> None:
    """Log waits, copies to the device and unordered sums."""
    if not (call.on_gpu or call.result_on_gpu):
        return
    LOG.operations[call.name] += 1
    if call.name in WAITS:
        LOG.waits[call.name, place()] += 1
    if call.function in INDEXING:
        if any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in call.args[1]):
            LOG.waits[f"{call.name} by a mask", place()] += 1
        if call.on_host:
            LOG.copies[f"{call.name} by indices on the CPU", place()] += 1
    if call.function in COPIES:
        into_host = call.function is aten.copy_.default and not call.is_on_gpu(call.args[0])
        if call.on_gpu and (into_host or not call.result_on_gpu):
            LOG.waits[f"{call.name} to the host", place()] += 1
        elif call.on_host:
            LOG.copies[call.name, place()] += 1
    if call.name in UNORDERED and any(tensor.is_floating_point() for tensor in call.on_gpu):
        accumulates = call.name != "_index_put_impl_" or (len(call.args) > 3 and call.args[3])
        if accumulates:
            LOG.unordered[call.name, place()] += 1
