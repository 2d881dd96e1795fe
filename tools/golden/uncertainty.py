"""Rankings by one softmax output, and by Monte-Carlo dropout, of the code of BADGE's authors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from clones import load
from inputs import Arrays, logits_of, monte_carlo, pool
from torch.utils.data import TensorDataset

BADGE = "JordanAsh/badge"
STUBS = ("torchfile", "resnet", "vgg")


class Images(TensorDataset):
    """The authors' handler: an image is its embedding and its position."""

    def __init__(self, x: np.ndarray, y: Any, transform: None = None) -> None:
        rows = torch.as_tensor(np.asarray(x))
        super().__init__(rows, torch.as_tensor(np.asarray(y)), torch.arange(len(rows)))


class Network(torch.nn.Module):
    """A last layer on embeddings; while training, the softmax outputs of one dropout mask after the other."""

    def __init__(self, made: Arrays) -> None:
        super().__init__()
        self.linear = torch.nn.utils.skip_init(torch.nn.Linear, *made["weight"].T.shape)
        self.linear.load_state_dict({"weight": torch.tensor(made["weight"]), "bias": torch.tensor(made["bias"])})
        self.masks = iter(np.moveaxis(made.get("mc_probs", np.zeros((0, 0, 0))), 1, 0))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.training:
            return torch.tensor(next(self.masks)).log(), x
        return self.linear(x), x

    def get_embedding_dim(self) -> int:
        return self.linear.in_features


def strategy(clone: Path, module: str, name: str, made: Arrays, **options: Any) -> Any:
    """The authors' strategy; the labelled images come first, and the others have made-up labels of all classes."""
    count, classes = len(made["embeddings"]), len(made["bias"])
    labels = torch.tensor(np.concatenate([made["labels"], np.arange(count) % classes]))
    rows = np.concatenate([made["labelled_embeddings"], made["embeddings"]])
    known = np.arange(len(rows)) < len(made["labels"])
    args = {"transformTest": None, "loader_te_args": {"batch_size": len(rows)}, "lamb": 1.0}
    loaded = load(clone, f"query_strategies.{module}", STUBS)
    made_strategy = getattr(loaded, name)(rows, labels, known, None, Images, args, **options)
    made_strategy.clf = Network(made)
    return made_strategy


def picks(clone: Path, module: str, name: str, n: int, made: Arrays, **options: Any) -> np.ndarray:
    return np.asarray(strategy(clone, module, name, made, **options).query(n)) - len(made["labels"])


def ranking(module: str, name: str) -> Any:
    def maker(clone: Path) -> Arrays:
        made = pool(seed=1)
        return {**made, "logits": logits_of(made), "picks": picks(clone, module, name, 40, made)}

    return maker


def bald(clone: Path) -> Arrays:
    probs = monte_carlo(seed=2)
    made = pool(len(probs), seed=2) | {"mc_probs": probs}
    n_drop = probs.shape[1]
    chosen = picks(
        clone, "bayesian_active_learning_disagreement_dropout", "BALDDropout", len(probs), made, n_drop=n_drop
    )
    return {"mc_probs": probs, "picks": chosen}


MAKERS = {
    "least-confidence": (BADGE, ranking("least_confidence", "LeastConfidence")),
    "margin": (BADGE, ranking("margin_sampling", "MarginSampling")),
    "entropy": (BADGE, ranking("entropy_sampling", "EntropySampling")),
    "bald": (BADGE, bald),
}
