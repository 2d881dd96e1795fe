"""BADGE, BAIT, CLUE, FALCUN, ALFA-Mix, DropQuery and Refine: what they draw from, cluster, filter and choose."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from clones import RecordedKMeans, Settings, load
from inputs import Arrays, logits_of, pool
from uncertainty import BADGE, picks, strategy


def badge(clone: Path) -> Arrays:
    """The picks, and the law (n − 1, N) that each but the first was drawn from."""
    made = pool(seed=20)
    asked = strategy(clone, "badge_sampling", "BadgeSampling", made)
    module = load(clone, "query_strategies.badge_sampling")
    laws: list[np.ndarray] = []
    draw = module.stats.rv_discrete

    def recorded(name: str, values: tuple[np.ndarray, np.ndarray]) -> Any:
        laws.append(values[1])
        return draw(name=name, values=values)

    module.stats = MagicMock(rv_discrete=recorded)
    np.random.seed(20)  # noqa: NPY002 - theirs draws from it
    chosen = asked.query(15) - len(made["labels"])
    return {**made, "picks": chosen, "laws": np.array(laws)}


def bait(clone: Path) -> Arrays:
    made = pool(80, 8, seed=24)  # the backward pass takes out four that a forward pass alone would keep
    return {**made, "picks": picks(clone, "bait_sampling", "BaitSampling", 8, made)}


def clue(clone: Path) -> Arrays:
    """The weights of k-means, its centres, and the images next to them, at temperatures 1 and 0.3."""
    made = pool(seed=22)
    module = load(clone, "sample", ("utils", "adapt", "adapt.solvers", "adapt.solvers.solver"))
    module.KMeans = RecordedKMeans
    outputs = (torch.tensor(logits_of(made)), None, None, torch.tensor(made["embeddings"]))
    module.utils.get_embedding = lambda *args, **options: outputs
    module.torch.utils.data.DataLoader = MagicMock()
    found: Arrays = {}
    for name, temperature in (("", 1.0), ("_cold", 0.3)):
        args = Settings(clue_softmax_t=temperature, cnn="LeNet", batch_size=1)
        asked = object.__new__(module.CLUESampling)
        vars(asked).update(
            idxs_lb=np.zeros(120, bool), train_idx=np.arange(120), dset=None, model=MagicMock(), device="cpu",
            num_classes=4, args=args, T=temperature,
        )  # fmt: skip
        found["picks" + name] = np.array(asked.query(10))
        fit = RecordedKMeans.fits[-1]
        found |= {"weights" + name: fit["weights"], "centres" + name: fit["centres"]}
    return {**made, **found}


def falcun(clone: Path) -> Arrays:
    """The picks, and the laws (n, N) that they were drawn from."""
    made = pool(60, seed=23)
    probs = torch.tensor(logits_of(made)).double().softmax(dim=1)
    module = load(clone / "src", "deepal.query_strategies.falcun", ("deepal.query_strategies.strategy",))
    asked = module.Falcun(None, None, None, None, None, None, custom_dist="distance_unc_norm")
    vars(asked).update(gamma=10, deterministic=False, custom_dist="distance_unc_norm")
    rng, laws = np.random.default_rng(23), []

    def choice(images: np.ndarray, size: int, p: np.ndarray) -> np.ndarray:
        laws.append(np.bincount(images, p, minlength=60))
        return rng.choice(images, size, p=p)

    module.np.random.choice = choice
    chosen = asked.get_indices(8, probs.numpy(), asked.get_unc(probs).numpy())
    return {"probs": probs.numpy(), "picks": np.array(chosen), "laws": np.array(laws)}


def alfa_mix(clone: Path) -> Arrays:
    """Which images change their class at caps of 0.2, 0.4, …, 1, and a batch with the centres it is nearest to."""
    made = pool(seed=24)
    module = load(clone, "query_strategies.alpha_mix_sampling", ("query_strategies.strategy",))
    module.KMeans = RecordedKMeans
    known = np.arange(140) < 20
    rows = torch.tensor(np.concatenate([made["labelled_embeddings"], made["embeddings"]]))
    weight, bias = torch.tensor(made["weight"]), torch.tensor(made["bias"])
    asked = module.AlphaMixSampling(*[None] * 9)
    vars(asked).update(
        X=np.arange(140), Y=torch.tensor(np.concatenate([made["labels"], np.zeros(120, int)])), n_pool=140,
        idxs_lb=known, query_count=0, device="cpu", writer=MagicMock(),
        args=Settings(alpha_closed_form_approx=True, alpha_cap=0.2, n_label=4),
        model=Settings(clf=lambda x, embedding: (x @ weight.T + bias, x)),
        predict_prob_embed=lambda x, y: ((rows[x] @ weight.T + bias).softmax(dim=1), rows[x]),
    )  # fmt: skip
    find, changed = asked.find_candidate_set, {}

    def recorded(*args: Any, alpha_cap: float, **options: Any) -> Any:
        found = find(*args, alpha_cap=alpha_cap, **options)
        changed[round(alpha_cap, 6)] = found[0].numpy()
        return found

    asked.find_candidate_set = recorded
    asked.query(119)  # goes through all caps
    batch = asked.query(6)[0] - 20
    caps = np.array(sorted(changed))
    centres = RecordedKMeans.fits[-1]["centres"]
    return {**made, "caps": caps, "changed": np.array([changed[c] for c in caps]), "picks": batch, "centres": centres}


def dropquery(clone: Path) -> Arrays:
    """How many of three passes change each image's class, and for four batch sizes the candidates and the picks.

    Of 80 images only those are the authors' choice whose class changes at all: the others are drawn.
    """
    made = pool(seed=25)
    faiss = load(clone, "ALFM.src.clustering.kmeans", ("rich", "rich.progress")).faiss
    load(clone, "ALFM.src.clustering.kmeans").track = lambda items, **options: items
    fits: list[Any] = []

    class Kmeans(faiss.Kmeans):
        def __init__(self, *args: Any, gpu: int, **options: Any) -> None:
            super().__init__(*args, **options)
            fits.append(self)

    faiss.Kmeans = Kmeans
    stubs = ("ALFM.src.init_strategies.base_init", "ALFM.src.classifiers.classifier_wrapper")
    module = load(clone, "ALFM.src.query_strategies.dropout", stubs)
    rng = np.random.default_rng(25)
    dropped = rng.random((3, 120, 6)) < 0.5
    weight, bias = torch.tensor(made["weight"]), torch.tensor(made["bias"])
    passes = 2 * torch.tensor(made["embeddings"]) * ~torch.tensor(dropped) @ weight.T + bias
    whole = torch.tensor(logits_of(made)).softmax(dim=1)
    found: Arrays = {"dropped": dropped}
    for n in (1, 2, 3, 80):
        masks = iter(passes.softmax(dim=2))
        model = Settings(
            get_probs=lambda features, dropout, masks=masks: next(masks),
            get_probs_and_embedding=lambda features: (whole, torch.tensor(made["embeddings"])),
        )
        asked = module.Dropout(num_iter=3, features=made["embeddings"], labels=None, init_sampler=None)
        asked.update_state(1, np.zeros(120, bool), model)
        get = asked._get_candidates
        asked._get_candidates = lambda *args, n=n, get=get: found.setdefault(f"candidates_{n}", get(*args))
        found[f"picks_{n}"] = np.flatnonzero(asked.query(n))
        found[f"candidates_{n}"] = found[f"candidates_{n}"].numpy()
        if n <= len(found[f"candidates_{n}"]):
            found[f"centres_{n}"] = fits[-1].centroids
    return {**made, **found}


class Given:
    """The authors' model and data object in one: an image is its position in ``rows``, a loader a list of images."""

    def __init__(self, made: Arrays) -> None:
        known = len(made["labelled_embeddings"])
        self.rows = torch.tensor(np.concatenate([made["labelled_embeddings"], made["embeddings"]]))
        self.weight, self.bias = torch.tensor(made["weight"]), torch.tensor(made["bias"])
        self.labeled_indices, self.unlabeled_indices = [*range(known)], [*range(known, len(self.rows))]

    def labeled_dataloader(self) -> Any:
        return self.labeled_indices, self.labeled_indices

    def unlabeled_dataloader(self, subset_size: None) -> Any:
        return self.unlabeled_indices, self.unlabeled_indices

    def get_model_outputs(self, loader: list[int], output_types: list[str], device: str) -> dict[str, torch.Tensor]:
        rows = self.rows[loader]
        return {"features": rows, "logits": rows @ self.weight.T + self.bias}


def refine(clone: Path) -> Arrays:
    """The pool after each round, and the batch; what was drawn, in turn: for every query, and where a pool is cut.

    The ensemble is of two strategies that draw nothing themselves, of which one chooses the batch: herding as it is
    written there is another rule than its authors'. In ``_cut`` the pool of the first round is above the limit.
    """
    made = pool(400, 24, seed=26)
    of_lightning = ("", ".pytorch", ".pytorch.utilities", ".pytorch.utilities.exceptions")
    own = ("models", "models.base", "metrics", "metrics.utils", "metrics.calibration")
    stubs = (*(f"lightning{part}" for part in of_lightning), *(f"dal_toolbox.{part}" for part in own))
    module = load(clone, "publications.cleaning_the_pool.strategies", stubs)
    known = len(made["labels"])
    found: Arrays = {}
    for suffix, n, depth, batches, share, first, most in (
        ("", 6, 5, 25, 0.4, 120, 10_000),
        ("_cut", 9, 3, 24, 0.3, 60, 70),
    ):
        asked = module.Refine(
            al_strategies=["margin", "coreset"], select_strategy="coreset", progressive_depth=depth,
            num_batches=batches, alpha=share, init_subset_size=first, max_pool_size=most, random_seed=26,
        )  # fmt: skip
        asked.rng, given = Recorded(asked.rng), Given(made)
        picks = asked.query(model=given, al_datamodule=given, acq_size=n)
        found["picks" + suffix] = np.array(picks) - known
        found["settings" + suffix] = np.array([n, depth, batches, share, first, most])
        found["draws" + suffix] = (np.concatenate(asked.rng.draws) - known).astype(np.int16)
        found["lengths" + suffix] = np.array([len(draw) for draw in asked.rng.draws])
        for number, left in asked.pool_indices.items():
            found[f"pool{suffix}_{number + 1}"] = np.sort(left) - known
    return {**made, **found}


class Recorded:
    """A generator of NumPy that keeps what it draws."""

    def __init__(self, generator: np.random.RandomState) -> None:
        self.generator, self.draws = generator, []

    def choice(self, images: Any, size: int, replace: bool) -> np.ndarray:
        self.draws.append(self.generator.choice(images, size, replace))
        return self.draws[-1]


MAKERS = {
    "badge": (BADGE, badge),
    "bait": (BADGE, bait),
    "clue": ("virajprabhu/CLUE", clue),
    "falcun": ("sobermeier/falcun", falcun),
    "alfa-mix": ("AminParvaneh/alpha_mix_active_learning", alfa_mix),
    "dropquery": ("sanketx/AL-foundation-models", dropquery),
    "refine": ("dhuseljic/dal-toolbox", refine),
}
