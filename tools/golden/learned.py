"""Learning loss, its semi-supervised form, and temporal output discrepancy: modules, losses, clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from clones import Settings, load
from inputs import Arrays
from torch.nn import functional as F

CHANNELS, SIDES, HIDDEN, COUNT = (3, 4, 5, 6), (4, 4, 2, 1), 7, 12
UNLABELLED = 101
TRAINING = ("visdom", "models.resnet", "data.sampler", "data.data_transform", "tensorboardX", "train_utils")


def stages(rng: np.random.Generator, count: int) -> list[torch.Tensor]:
    return [
        torch.tensor(rng.normal(size=(count, c, s, s)), dtype=torch.float32)
        for c, s in zip(CHANNELS, SIDES, strict=True)
    ]


def imported(clone: Path, name: str, stubs: tuple[str, ...]) -> Any:
    """The authors' script without their data, which it would download when it is imported."""
    import torchvision

    torchvision.datasets.CIFAR10 = torchvision.datasets.CIFAR100 = MagicMock()
    return load(clone, name, stubs)


def with_gradients(module: torch.nn.Module, loss: torch.Tensor) -> Arrays:
    loss.backward()
    named = dict(module.named_parameters())
    return {f"grad.{name}": p.grad.numpy() for name, p in named.items()} | {"loss": loss.detach().numpy()}


def parameters(module: torch.nn.Module) -> Arrays:
    return {f"module.{name}": p.detach().numpy().copy() for name, p in module.state_dict().items()}


def learning_loss(clone: Path) -> Arrays:
    """Predicted losses of twelve images, the hinge ranking loss and its gradient."""
    rng = np.random.default_rng(40)
    torch.manual_seed(40)
    features = stages(rng, COUNT)
    module = load(clone, "models.lossnet").LossNet(list(SIDES), list(CHANNELS), HIDDEN)
    made = parameters(module) | {f"stage_{s}": f.numpy() for s, f in enumerate(features)}
    losses = rng.exponential(size=COUNT).astype(np.float32)
    predicted = module(features).view(-1)
    rank = imported(clone, "main", TRAINING).LossPredLoss
    found = with_gradients(module, rank(predicted, torch.tensor(losses), margin=1.0))
    return {**made, "losses": losses, "predicted": predicted.detach().numpy(), **found}


class Backbone:
    """Logits and features by the image's number, as the authors' network gives them."""

    def __init__(
        self, logits: torch.Tensor, features: list[torch.Tensor], embeddings: torch.Tensor | None = None
    ) -> None:
        self.logits, self.features, self.embeddings = logits, features, embeddings

    def __call__(self, numbers: torch.Tensor) -> tuple[Any, ...]:
        embeddings = numbers if self.embeddings is None else self.embeddings[numbers]
        return self.logits[numbers], [f[numbers] for f in self.features], embeddings

    def eval(self) -> None:
        pass


def semi_supervised(clone: Path) -> Arrays:
    """Joint ranking loss and its gradient; a step of the tuning; and the clusters that a batch is chosen from."""
    rng = np.random.default_rng(41)
    torch.manual_seed(41)
    module = load(clone, "models.lossnet").LossNet(list(CHANNELS), HIDDEN)
    made = parameters(module)
    main = imported(clone, "main", TRAINING)
    labelled, weak, strong = (stages(rng, count) for count in (COUNT, UNLABELLED, UNLABELLED))
    losses = rng.exponential(size=COUNT).astype(np.float32)
    predicted = module(labelled).view(-1)
    joint = with_gradients(module, main.loss_pred_loss(predicted, torch.tensor(losses)))
    joint = {f"joint_{name}": part for name, part in joint.items()}

    # Weak views are sure of their class in half of the images, and hard and soft losses rank some pairs otherwise.
    scale = np.repeat([1, 4, 1], [COUNT, UNLABELLED, UNLABELLED])[:, None]
    logits, numbers = torch.tensor(rng.normal(size=(len(scale), 4)) * scale), torch.arange(UNLABELLED)
    logits, labels = logits.float(), torch.tensor(rng.integers(4, size=COUNT))
    everything = [torch.cat(parts) for parts in zip(labelled, weak, strong, strict=True)]
    module.zero_grad()
    rank, targets = main.loss_pred_loss, []
    main.loss_pred_loss = lambda scores, losses: targets.append(losses.detach().numpy()) or rank(scores, losses)
    main.ft_epoch_wich_ss(
        {"backbone": MagicMock(side_effect=Backbone(logits, everything)), "module": module},
        {"ce": torch.nn.CrossEntropyLoss(reduction="none")},
        {"ft": Settings(zero_grad=lambda: None, step=lambda: None)},
        {
            "ft": [(torch.arange(COUNT), labels)],
            "semi": [((COUNT + numbers, COUNT + UNLABELLED + numbers), 0)],
        },
    )
    tuned = {f"tuning_grad.{name}": p.grad.numpy() for name, p in module.named_parameters()}
    tuned["pseudo_losses"] = targets[1]

    embeddings = torch.tensor(rng.normal(size=(60, 5)), dtype=torch.float32)
    scores = rng.normal(size=60)
    highest = np.argsort(scores)
    groups = main.clustering(Backbone(embeddings, [], embeddings), 6, [(torch.tensor(highest), 0)])
    by_cluster: dict[int, list[int]] = {}
    for group, image in zip(groups, highest, strict=True):
        by_cluster.setdefault(group, []).append(image)
    chosen = main.sampling(by_cluster)
    parts = {"labelled": labelled, "strong": strong}
    return {
        **made,
        **{f"{name}_stage_{s}": f.numpy() for name, some in parts.items() for s, f in enumerate(some)},
        "losses": losses, "predicted": predicted.detach().numpy(), **joint,
        "logits": logits.numpy(), "labels": labels.numpy(),
        "labelled_losses": F.cross_entropy(logits[:COUNT], labels, reduction="none").numpy(), **tuned,
        "embeddings": embeddings.numpy(), "scores": scores, "picks": np.array(chosen),
    }  # fmt: skip


def tod(clone: Path) -> Arrays:
    rng = np.random.default_rng(42)
    now, before = (torch.tensor(rng.normal(size=(50, 4))) for _ in range(2))
    stubs = ("models.resnet", "utils.sampler", "utils.custom_dataset")
    main = imported(clone, "main_TOD", stubs)
    main.SAMPLING = "TOD"
    networks = {
        name: MagicMock(side_effect=lambda numbers, logits=logits: (logits[numbers], None, None, None))
        for name, logits in (("backbone", now), ("cod", before))
    }
    scores = main.get_uncertainty(networks, [(torch.arange(50), torch.arange(50))])
    return {"logits": now.numpy(), "previous_logits": before.numpy(), "scores": scores.numpy()}


MAKERS = {
    "learning-loss": ("Mephisto405/Learning-Loss-for-Active-Learning", learning_loss),
    "semi-supervised-learning-loss": ("hwang410/SSLPM", semi_supervised),
    "tod": ("siyuhuang/TOD", tod),
}
