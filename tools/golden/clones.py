"""Authors' modules, imported from clones of their repositories as they are, on a machine without their GPU."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from sklearn.cluster import KMeans


class Stub(ModuleType):
    """A module whose every name is a class that does nothing, or a mock: for imports that the code does not need here.

    Modules inside it are stubs too.
    """

    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name[0].isupper():
            return type(name, (), {"__init__": lambda self, *args, **options: None})
        return MagicMock()


def load(root: Path, name: str, stubs: tuple[str, ...] = ()) -> Any:
    """The module ``name`` below ``root``, without its packages' ``__init__``; ``stubs`` are replaced by ``Stub``."""
    for stub in stubs:
        sys.modules[stub] = Stub(stub)
    parts = name.split(".")
    for depth in range(1, len(parts)):
        package = ".".join(parts[:depth])
        if package not in sys.modules:
            module = sys.modules[package] = ModuleType(package)
            module.__path__ = [str(root.joinpath(*parts[:depth]))]
    sys.path.insert(0, str(root))
    return importlib.import_module(name)


def commit(clone: Path) -> str:
    return subprocess.run(["git", "-C", clone, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout[
        :40
    ]


def without_gpu() -> None:
    """Let ``cuda()`` and ``to("cuda")`` leave things where they are, and NumPy have the names that it had."""
    torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *args, **options: self
    to = torch.Tensor.to
    torch.Tensor.to = lambda self, *args, **options: (
        self if args and str(args[0]).startswith("cuda") else to(self, *args, **options)
    )
    for name, value in (("float", float), ("Inf", np.inf)):
        setattr(np, name, value)


class Settings(dict):
    """A dictionary whose entries are attributes too, as in the authors' configurations."""

    __getattr__ = dict.__getitem__


class RecordedKMeans(KMeans):
    """scikit-learn's k-means that keeps all fits: points, weights and centres."""

    fits: list[dict[str, np.ndarray]] = []  # noqa: RUF012

    def __init__(self, n_clusters: int = 8, n_jobs: int | None = None) -> None:
        super().__init__(n_clusters, n_init=10, random_state=0)
        self.n_jobs = n_jobs

    def fit(self, x: np.ndarray, y: None = None, sample_weight: np.ndarray | None = None) -> RecordedKMeans:
        super().fit(x, y, sample_weight)
        weights = np.ones(len(x)) if sample_weight is None else sample_weight
        self.fits.append({"points": np.asarray(x), "weights": weights, "centres": self.cluster_centers_})
        return self
