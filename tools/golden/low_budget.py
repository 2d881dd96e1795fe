"""TypiClust, ProbCover and DCoM of their authors, MaxHerding and UHerding of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from clones import Settings, load
from inputs import Arrays, logits_of, pool

TYPICLUST, UHERDING = "avihu111/TypiClust", "BorealisAI/uherding"
Sets = tuple[np.ndarray, np.ndarray]


def features_of(made: Arrays) -> tuple[np.ndarray, Sets]:
    """All features, the labelled images first, and which are labelled and which not."""
    known = len(made["labelled_features"])
    rows = np.concatenate([made["labelled_features"], made["features"]])
    return rows, (np.arange(known), np.arange(known, len(rows)))


def configured(**active_learning: Any) -> Settings:
    return Settings(
        DATASET={"NAME": "made up"}, RNG_SEED=0, TRAIN=Settings(BATCH_SIZE=4000), NUM_GPUS=1, EXP_DIR="",
        MODEL=Settings(LOSS_FUN="ce", NUM_CLASSES=4), COVERAGE_PATH="", UNCERTAINTY_PATH="", INDICES_PATH="",
        LOGIT_PATH="", ACTIVE_LEARNING=Settings(UNC_FEATURE="simclr", FEATURE="", **active_learning),
    )  # fmt: skip


def reading(clone: Path, module: str, rows: np.ndarray) -> Any:
    """The authors' module, whose features are ``rows``."""
    loaded = load(
        clone / "deep-al", f"pycls.al.{module}", ("pycls.datasets", "pycls.datasets.utils", "pycls.core.config")
    )
    loaded.ds_utils.load_features = lambda *args, **options: rows
    return loaded


class Loaders:
    """The authors' data object: all images in one batch, an image is its embedding."""

    def __init__(self, made: Arrays) -> None:
        self.rows = torch.tensor(np.concatenate([made["labelled_embeddings"], made["embeddings"]]))

    def getSequentialDataLoader(self, indexes: np.ndarray, batch_size: int, data: Any) -> Any:  # noqa: N802 - theirs
        class Batches(list):
            dataset = Settings()

        return Batches([(self.rows[indexes], torch.tensor(indexes))])


def typiclust(clone: Path) -> Arrays:
    """The clusters of all images, the unlabelled first, and the picks, for many and for few labelled ones."""
    found: Arrays = {}
    for name, known in (("", 20), ("_few", 2)):
        made = pool(400, known, seed=30) if known >= 4 else without_most_labels(pool(400, 20, seed=30), known)
        rows, (labelled, unlabelled) = features_of(made)
        module = reading(clone, "typiclust", rows)
        module.faiss.index_cpu_to_all_gpus = lambda index: index
        np.random.seed(30)  # noqa: NPY002 - theirs draws from it
        asked = module.TypiClust(configured(), labelled, unlabelled, 16)
        clusters = np.asarray(asked.clusters)
        picks = asked.select_samples()[0] - known
        parts = {"features": made["features"], "labelled_features": made["labelled_features"], "picks": picks}
        parts["clusters"] = np.concatenate([clusters[known:], clusters[:known]])
        found |= {key + name: part for key, part in parts.items()}
    return found


def without_most_labels(made: Arrays, known: int) -> Arrays:
    return made | {"labelled_features": made["labelled_features"][:known]}


def probcover(clone: Path) -> Arrays:
    """500 images in all: their graph leaves out the rest of the last block of 500."""
    made = pool(480, 20, seed=31)
    rows, (labelled, unlabelled) = features_of(made)
    module = reading(clone, "prob_cover", rows)
    found = {
        f"picks_{delta}": module.ProbCover(configured(), labelled, unlabelled, 12, delta).select_samples()[0] - 20
        for delta in (0.3, 0.5)
    }
    return {"features": made["features"], "labelled_features": made["labelled_features"], **found}


def dcom(clone: Path) -> Arrays:
    """Radii of all labelled images, and the picks; 700 images in all, as their graph drops the rest of a block.

    In 24 dimensions balls of their radii cover a part of the images; the midpoints are around that share.
    """
    made = pool(670, 30, seed=32)
    rng = np.random.default_rng(32)
    predicted = np.concatenate([logits_of(made, "labelled_embeddings"), logits_of(made)]).argmax(axis=1)
    groups = np.where(rng.random(700) < 0.6, predicted, rng.integers(4, size=700))
    rows = rng.normal(size=(4, 24))[groups] + 1.1 * rng.normal(size=(700, 24))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    made |= {"labelled_features": rows[:30], "features": rows[30:]}
    rows, (labelled, unlabelled) = features_of(made)
    module = reading(clone, "DCoM", rows)
    layer = torch.nn.Linear(*made["weight"].T.shape)
    layer.load_state_dict({"weight": torch.tensor(made["weight"]), "bias": torch.tensor(made["bias"])})

    def configure(midpoint: float, radii: list[str]) -> Any:
        settings = configured(K_LOGISTIC=50, A_LOGISTIC=midpoint, DELTA_RESOLUTION=0.05)
        return module.DCoM(settings, labelled, unlabelled, 12, radii, 1.1)

    asked = configure(0.8, ["0.75"] * 30)
    radii = asked.new_centroids_deltas(made["labels"], predicted, 30, batch_size=700, all_labels=predicted)
    asked = configure(0.8, radii)
    graph = asked.construct_graph_excluding_lSet(1.1)
    coverage = asked.calculate_coverage(graph, labelled, asked.lSet_deltas_dict, 700)
    midpoints = np.round(coverage + np.array([-0.2, -0.01, 0.03, 0.1]), 3)
    picks = {f"picks_{m}": configure(m, radii).select_samples(layer, None, Loaders(made))[0] - 30 for m in midpoints}
    return {**made, "radii": np.array(radii, float), "coverage": np.array(coverage), "midpoints": midpoints, **picks}


def activeft(clone: Path) -> Arrays:
    """The points before and after 300 steps, the gradient of the first, and the picks, which theirs returns as a set.

    At a temperature and a balance that are not the default ones, too, with a tenth of the steps.
    """
    rows = pool(150, 4, seed=35)["features"].astype(np.float64)
    module = load(clone / "data_selection" / "sample_tools", "ActiveFT_CIFAR")
    made: list[Any] = []
    begin = module.SampleModel.__init__

    def recorded(self: Any, *args: Any) -> None:
        begin(self, *args)
        made.append(self)

    module.SampleModel.__init__ = recorded
    found: Arrays = {"features": rows}
    for name, temperature, balance, steps in (("", 0.07, 1.0, 300), ("_other", 0.3, 2.0, 30)):
        module.random.seed(35)
        first = module.SampleModel(torch.tensor(rows), 12, temperature, "random", "euclidean", balance)
        first.get_loss().backward()
        found |= {"start" + name: first.centroids.detach().numpy(), "gradient" + name: first.centroids.grad.numpy()}
        module.random.seed(35)
        options = Settings(
            temperature=temperature, init="random", distance="euclidean", balance=balance, lr=0.001, scheduler="none",
            max_iter=steps,
        )  # fmt: skip
        picks = module.optimize_dist(torch.tensor(rows), 12, options)
        found |= {"moved" + name: made[-1].centroids.detach().numpy(), "picks" + name: np.array(sorted(picks))}
        found["settings" + name] = np.array([temperature, balance, steps])
    return found


def herding(clone: Path, module: str, name: str, made: Arrays, width: float, **options: Any) -> np.ndarray:
    rows, (labelled, unlabelled) = features_of(made)
    loaded = reading(clone, module, rows)
    weight, bias = torch.tensor(made["weight"]), torch.tensor(made["bias"])

    class Layer(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: Any = None) -> dict[str, torch.Tensor]:
            return {"preds": x @ weight.T + bias}

    known = {"dataObj": Loaders(made), "dataset": [], "permute": False, "device": "cpu"}
    asked = getattr(loaded, name)(configured(**options), labelled, unlabelled, 20, width, Layer(), **known)
    asked.save_results = lambda path, arr: None
    return asked.select_samples()[0] - len(labelled)


def maxherding(clone: Path) -> Arrays:
    made = pool(300, 20, seed=33)
    load(clone / "deep-al", "pycls.utils.metrics", ("pycls.core.config",))
    found = {f"picks_{width}": herding(clone, "herding", "Herding", made, width) for width in (1.0, 0.4)}
    return {"features": made["features"], "labelled_features": made["labelled_features"], **found}


def uherding(clone: Path) -> Arrays:
    """The temperature from 30 held-out images, and the picks with it."""
    made = pool(300, 20, seed=34)
    rng = np.random.default_rng(34)
    held_out = {"held_out_logits": 6 * rng.normal(size=(30, 4)), "held_out_labels": rng.integers(4, size=30)}
    logits = torch.tensor(held_out["held_out_logits"])
    held_out["held_out_labels"][:18] = held_out["held_out_logits"][:18].argmax(axis=1)
    calibration = load(clone / "deep-al", "pycls.calibration.temperature_scaling")
    batches = [(logits, torch.tensor(held_out["held_out_labels"]))]
    temperature = calibration.obtain_temperature(configured(), lambda x: {"preds": x}, batches, [])
    settings = {"UNC_TRANS_FN": "identity", "SAMPLING_FN": "uherding_margin", "NORMALIZE": True}
    picks = herding(clone, "uherding", "UHerding", made, 1.0, ADAPTIVE_DELTA=True, TEMP=temperature, **settings)
    return {**made, **held_out, "temperature": np.array(temperature), "picks": picks}


MAKERS = {
    "typiclust": (TYPICLUST, typiclust),
    "probcover": (TYPICLUST, probcover),
    "dcom": (TYPICLUST, dcom),
    "maxherding": (UHERDING, maxherding),
    "activeft": ("yichen928/ActiveFT", activeft),
    "uherding": (UHERDING, uherding),
}
