"""The settings of PyTorch's backends under which everything is computed, in one place.

A GPU adds up in an order of its own unless it is told otherwise: cuDNN chooses among convolutions by timing them or by
atomic additions, cuBLAS by how much workspace each stream has, and TF32 rounds the factors of a float32 product to ten
bits. ``settle`` turns that off; ``benchmark/results/environment.py`` records what is set.
"""

from __future__ import annotations

import os

import torch
from threadpoolctl import threadpool_limits

_THREADS = [f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "BLIS")] + ["VECLIB_MAXIMUM_THREADS"]
CUBLAS_WORKSPACE = ":4096:8"  # one of the two for which NVIDIA promises the same bits whatever the streams


def settle() -> None:
    """One thread, deterministic cuDNN and cuBLAS, float32 products in float32; for this process and its children.

    The threads are those of PyTorch, NumPy, SciPy and scikit-learn, whose BLAS would take all cores in every worker:
    small products then take many times as long, and how many cores there are could change bits. Libraries that are
    loaded are told; those that are not yet read the environment, which stays as it is set here.

    To be called before the first product on a GPU: cuBLAS reads its setting once. Nothing on the CPU depends on it but
    the number of threads, and the precision of products, which is PyTorch's default.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = CUBLAS_WORKSPACE
    for name in _THREADS:
        os.environ[name] = "1"
    threadpool_limits(limits=1)
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
