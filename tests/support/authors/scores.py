"""Strategies that rank images by a score, and those that learn it with the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from strategies.api import Output, TuningBatch
from strategies.batchbald import joint_mutual_information
from strategies.components.loss_prediction import LossPrediction
from strategies.coremse import CoreMSE, expected_changes
from strategies.epig import predictive_information
from strategies.kernels.batchers import take_batch
from strategies.query_by_committee import disagreement
from strategies.registry import resolve
from strategies.semi_supervised_learning_loss import SemiSupervisedLearningLoss
from strategies.tod import output_discrepancy
from support.authors.stored import Arrays, close, clustered, picks, pool, same, tensor
from support.made_up import pool_of, seeded


def ranking(name: str) -> Any:
    def check(stored: Arrays) -> None:
        same(picks(name, pool(stored), len(stored["picks"])), stored["picks"])

    return check


def monte_carlo(stored: Arrays) -> Any:
    probs = tensor(stored["mc_probs"])
    return pool_of(mc_probs=lambda samples: probs, indices=torch.arange(len(probs)))


def bald(stored: Arrays) -> None:
    size, samples = stored["mc_probs"].shape[:2]
    same(picks(f"bald[samples={samples}]", monte_carlo(stored), size), stored["picks"])


def score(name: str, tolerance: float = 1e-9) -> Any:
    def check(stored: Arrays) -> None:
        strategy: Any = resolve(f"{name}[samples={stored['mc_probs'].shape[1]}]").build()
        close(strategy.score(monte_carlo(stored)), stored["scores"], tolerance)

    return check


def committee(stored: Arrays) -> None:
    probs = tensor(stored["member_probs"])
    for measure in ("vote-entropy", "kl", "consensus"):
        if (name := measure.replace("-", "_")) in stored:
            close(disagreement(probs, measure), stored[name], 1e-9)


def epig(stored: Arrays) -> None:
    probs = tensor(stored["mc_probs"])
    for count in (7, 60):
        close(predictive_information(probs, probs[:count]), stored[f"scores_of_{count}"], 1e-9)


def batchbald(stored: Arrays) -> None:
    exact = tensor(stored["exact_mc_probs"])
    chosen, informations = joint_mutual_information(exact, 5, 10_000, seeded())
    same(chosen.tolist(), stored["exact_picks"])
    close(informations, stored["exact_scores"], 1e-9)
    sampled = tensor(stored["sampled_mc_probs"])
    _, informations = joint_mutual_information(sampled, len(stored["sampled_picks"]), 40_000, seeded())
    close(informations, stored["sampled_scores"], 0.01)


def coremse(stored: Arrays) -> None:
    probs = tensor(stored["mc_probs"])
    changes, spreads = expected_changes(probs, probs)
    close((changes + spreads).mean(dim=1) * probs.shape[1], stored["scores"], 1e-6)  # theirs is a sum over the masks
    with clustered("strategies.coremse", centres=stored["centres"]) as given:
        CoreMSE(probs.shape[1], top_share=0.5).select(monte_carlo(stored), 6, seeded())
    ours, theirs = given[0][0], tensor(stored["rows"])
    # Distances, of which k-means makes its clusters: theirs are in the order of the scores, ours in the data set's.
    close(torch.pdist(ours).sort().values, torch.pdist(theirs).sort().values.numpy(), 1e-6)
    best = torch.tensor(stored["scores"]).topk(len(theirs)).indices.sort().values
    nearest = torch.cdist(tensor(stored["centres"]), F.normalize((changes + spreads)[best], dim=1)).argmin(dim=1)
    same(best[nearest].tolist(), stored["picks"])


def tod(stored: Arrays) -> None:
    now, before = (tensor(stored[name]).softmax(dim=1) for name in ("logits", "previous_logits"))
    close(output_discrepancy(now, before), stored["scores"], 1e-6)


# --- loss prediction


def module_of(stored: Arrays, ranking_loss: Any, **options: Any) -> LossPrediction:
    """The module with the authors' parameters: FC1 to FC4, linear and, where there are any, conv1 to conv3."""
    stages = sum(name.startswith("module.FC") and name.endswith("weight") for name in stored)
    channels = tuple(stored[f"module.FC{s}.weight"].shape[1] for s in range(1, stages + 1))
    settings = {"weight": 1.0, "gradient_factor": 1.0, "detach_after": 0.6, "learning_rate_scale": 1.0}
    hidden = len(stored["module.FC1.bias"])
    module = LossPrediction(channels, ranking_loss, **settings, hidden=hidden, **options)
    module.load_state_dict({ours: tensor(stored[f"module.{theirs}"]) for ours, theirs in names(module).items()})
    return module


def names(module: LossPrediction) -> dict[str, str]:
    """The authors' names of our parameters."""
    theirs = {"branches": "FC", "convolutions": "conv"}
    found = {}
    for name, _ in module.named_parameters():
        kind, *rest = name.split(".")
        found[name] = f"{theirs[kind]}{int(rest[0]) + 1}.{rest[1]}" if kind in theirs else f"linear.{rest[0]}"
    return found


def stages(stored: Arrays, prefix: str = "") -> tuple[Tensor, ...]:
    return tuple(tensor(stored[f"{prefix}stage_{s}"]) for s in range(4))


def gradients(module: LossPrediction, loss: Tensor, stored: Arrays, prefix: str) -> None:
    module.zero_grad()
    loss.backward()
    pairs = [(module.get_parameter(ours).grad, stored[prefix + theirs]) for ours, theirs in names(module).items()]
    ours, theirs = (np.concatenate([np.asarray(part).ravel() for part in parts]) for parts in zip(*pairs, strict=True))
    close(ours, theirs, 1e-5)


def learning_loss(stored: Arrays) -> None:
    strategy: Any = resolve("learning-loss[preset=authors]").build()
    module = module_of(stored, strategy.ranking_loss)
    predicted = module.predict(stages(stored))
    close(predicted.detach(), stored["predicted"], 1e-5)
    loss = module.weight * module.ranking(predicted, tensor(stored["losses"]))
    close(loss.detach(), stored["loss"], 1e-5)
    gradients(module, loss, stored, "grad.")


def semi_supervised(stored: Arrays) -> None:
    strategy: Any = resolve("semi-supervised-learning-loss[preset=authors]").build()
    module = module_of(stored, strategy.ranking_loss, convolutions=True)
    labelled = stages(stored, "labelled_")
    predicted = module.predict(labelled)
    close(predicted.detach(), stored["predicted"], 1e-5)
    joint = module.ranking(predicted, tensor(stored["losses"]))
    close(joint.detach(), stored["joint_loss"], 1e-5)
    gradients(module, joint, stored, "joint_grad.")
    tuning(strategy, module, stored)
    chosen = take_batch(tensor(stored["scores"]), tensor(stored["embeddings"]), 6, seeded(), "agglomerative", 10)
    same(sorted(chosen.tolist()), sorted(stored["picks"]))


def tuning(strategy: SemiSupervisedLearningLoss, module: LossPrediction, stored: Arrays) -> None:
    """One step: the pseudo-losses, and the gradient of the labelled and of the pseudo-labelled ranking loss."""
    rank, targets = strategy.ranking_loss, []

    def watched(predicted: Tensor, true: Tensor, among: Tensor | None = None) -> Tensor:
        targets.append((true if among is None else true[among]).detach())
        return rank(predicted, true, among)

    strategy.ranking_loss = watched
    logits = tensor(stored["logits"]).split([12, 101, 101])
    outputs = [Output(rows, rows, stages(stored, "strong_")) for rows in logits[1:]]  # of weak views only logits count
    labelled: Any = pool_of(stages=stages(stored, "labelled_"), losses=tensor(stored["labelled_losses"]))
    losses: list[Tensor] = []

    def run(loss: Any, **settings: Any) -> None:
        losses.append(loss(TuningBatch(labelled, *outputs)))

    counts = {"labelled_count": 128, "unlabelled_count": 1000, "training_steps": 100, "training_images": 3200}
    strategy.after_training(pool_of(attachment=module, run=run, **counts))
    gradients(module, losses[0], stored, "tuning_grad.")
    paired = len(stored["pseudo_losses"])  # theirs drops the odd one out before the ranking, ours in it
    assert len(targets[1]) - paired in (0, 1)
    close(targets[1][:paired], stored["pseudo_losses"], 1e-5)
