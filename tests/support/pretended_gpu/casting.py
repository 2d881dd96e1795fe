"""Autocast as on CUDA, with gradients: by the two lists of PyTorch's page on automatic mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._pytree import tree_map_only

from support.pretended_gpu.tensors import REAL_TO, OnGPU

REAL_AUTOCAST = torch.autocast
# "CUDA Ops that can autocast to float16", here to the dtype asked for
LOWERED = {
    "__matmul__",
    "__rmatmul__",
    "addbmm",
    "addmm",
    "addmv",
    "baddbmm",
    "bmm",
    "chain_matmul",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose2d",
    "einsum",
    "linear",
    "matmul",
    "mm",
    "multi_dot",
    "mv",
    "prelu",
    "scaled_dot_product_attention",
}
# "CUDA Ops that can autocast to float32"
RAISED = {
    "__pow__",
    "acos",
    "asin",
    "binary_cross_entropy_with_logits",
    "cdist",
    "cosh",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "cross_entropy_loss",
    "cumprod",
    "cumsum",
    "erfinv",
    "exp",
    "expm1",
    "group_norm",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_softmax",
    "logsumexp",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "nll_loss",
    "norm",
    "nuclear_norm",
    "pdist",
    "poisson_nll_loss",
    "pow",
    "prod",
    "reciprocal",
    "renorm",
    "rsqrt",
    "sinh",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softplus",
    "sum",
    "tan",
    "triplet_margin_loss",
}


class Casting(TorchFunctionMode):
    """Casts the arguments of every function on the lists; nothing while ``dtype`` is None."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype: torch.dtype | None = dtype

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        wanted = self.dtype if name in LOWERED else torch.float32 if name in RAISED else None
        kwargs = kwargs or {}
        if wanted is not None and self.dtype is not None:

            def cast(tensor: Tensor) -> Tensor:
                if tensor.is_floating_point() and tensor.dtype not in (torch.float64, wanted):
                    return REAL_TO(tensor, wanted)
                return tensor

            args, kwargs = tree_map_only(OnGPU, cast, (args, kwargs))
            args, kwargs = tree_map_only(torch.nn.Parameter, cast, (args, kwargs))
        return func(*args, **kwargs)


@contextmanager
def autocast(
    device_type: str, dtype: torch.dtype | None = None, enabled: bool = True, cache_enabled: bool | None = None
) -> Iterator[None]:
    """``torch.autocast``; an inner one suspends the outer ones."""
    if device_type != "cuda":
        with REAL_AUTOCAST(device_type, dtype, enabled):
            yield
        return
    outer = [mode for mode in _get_current_function_mode_stack() if isinstance(mode, Casting)]
    saved = [mode.dtype for mode in outer]
    for mode in outer:
        mode.dtype = None
    try:
        if enabled:
            with Casting(dtype or torch.float16):
                yield
        else:
            yield
    finally:
        for mode, own in zip(outer, saved, strict=True):
            mode.dtype = own
