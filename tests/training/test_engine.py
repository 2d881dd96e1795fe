"""The engine: recipes, batches, training from streams, metrics."""

import dataclasses
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.experiment import seeds
from benchmark.experiment.recipe import Recipe
from benchmark.learners import supervised
from benchmark.models import factory
from benchmark.models.network import Dropout, Network
from benchmark.training import operations
from benchmark.training.batches import Batches, Images
from benchmark.training.metrics import evaluate
from benchmark.training.task import TrainingTask
from strategies.api import Attachment, Output, Step

RECIPE = Recipe(min_steps=12, batch_size=16, precision="float32", learning_rate=0.05)


def images(count: int = 40, size: int = 8) -> Images:
    pixels = torch.randint(
        0, 256, (count, size, size, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return Images(pixels, torch.tensor([0.5]), torch.tensor([0.25]))


def task(recipe: Recipe = RECIPE, attachment: Attachment | None = None, seed: int = 0, round_: int = 0) -> TrainingTask:
    data = images()
    with seeds.scoped(seed, "weights", round_):
        network = factory.build("cnn", {"width": 4, "hidden": 16}, 1, (8, 8), 10)
    labelled = torch.arange(30)
    return TrainingTask(
        images=data,
        network=network,
        attachment=attachment,
        recipe=recipe,
        labelled=labelled,
        targets=labelled % 10,
        unlabelled=torch.arange(30, 40),
        seed=seed,
        round=round_,
    )


def fitted(job: TrainingTask) -> Network:
    return supervised.fit(job).network


def weights(network: Network) -> Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize(
    ("schedule", "extra", "expected"),
    [
        ("constant", {}, [1, 1, 1, 1]),
        ("triangular", {"warmup": 0.5}, [1 / 3, 2 / 3, 1, 0.5]),
        ("triangular", {"warmup": 0.0}, [1, 0.75, 0.5, 0.25]),
        ("multistep", {"milestones": (0.5, 0.75), "decay": 0.1}, [1, 1, 0.1, 0.01]),
        ("cosine", {"warmup": 0.0}, [1, 0.8536, 0.5, 0.1464]),
        ("cosine-7-16", {}, [1, 0.9415, 0.7730, 0.5141]),
    ],
)
def test_learning_rates(schedule: str, extra: dict[str, object], expected: list[float]) -> None:
    recipe = Recipe(schedule=schedule, learning_rate=2.0, min_steps=4, **extra)  # type: ignore[arg-type]
    assert recipe.learning_rates(4) == pytest.approx([2 * e for e in expected], abs=1e-3)


def test_steps_are_epochs_but_at_least_the_minimum() -> None:
    recipe = Recipe(epochs=24, min_steps=400, batch_size=128)
    assert [recipe.steps(n) for n in (10, 1000, 5000)] == [400, 400, 938]


def test_steps_between_given_label_counts_are_interpolated_and_grow_beyond() -> None:
    recipe = Recipe(steps_at=((1000, 400), (5000, 1000), (10000, 4000)))
    assert [recipe.steps(n) for n in (10, 1000, 2000, 5000, 6000, 10000, 15000)] == [
        400,
        400,
        550,
        1000,
        1600,
        4000,
        6000,
    ]


def test_the_decay_between_given_label_counts_is_interpolated_and_constant_beyond() -> None:
    recipe = Recipe(min_steps=1, weight_decay_at=((1000, 4e-3), (3000, 2e-3)))
    decays = [recipe.at(n).weight_decay for n in (10, 1000, 1500, 3000, 50_000)]
    assert decays == pytest.approx([4e-3, 4e-3, 3.5e-3, 2e-3, 2e-3])
    with pytest.raises(ValueError, match="weight_decay_at takes pairs"):
        Recipe(min_steps=1, weight_decay_at=((1000, -1e-3),))
    with pytest.raises(ValueError, match="must rise"):
        Recipe(min_steps=1, weight_decay_at=((1000, 0.0), (1000, 1e-3)))


def test_training_follows_the_decay_at_its_label_count() -> None:
    given = [{"weight_decay": 0.25}, {"weight_decay_at": ((20, 0.0), (40, 0.5))}, {"weight_decay": 0.5}]  # 30 labels
    recipes = [dataclasses.replace(RECIPE, **decay) for decay in given]  # type: ignore[arg-type]
    fixed, interpolated, other = (weights(fitted(task(recipe))) for recipe in recipes)
    assert torch.equal(fixed, interpolated)
    assert not torch.equal(fixed, other)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [(((1000,),), "pairs"), (((0, 5),), "pairs"), (((10, 5), (10, 6)), "must rise"), (((10, 5), (5, 6)), "must rise")],
)
def test_steps_at_must_be_rising_pairs(pairs: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(steps_at=pairs)


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "lion", "min_steps": 1},
        {"augmentation": "mixup", "min_steps": 1},
        {"schedule": "step", "min_steps": 1},
        {"learning_rate": 0.0, "min_steps": 1},
        {"warmup": 1.0, "min_steps": 1},
        {"milestones": (1.5,), "min_steps": 1},
        {"weight_decay_on": "biases", "min_steps": 1},
        {"label_smoothing": 1.0, "min_steps": 1},
        {"label_smoothing": -0.1, "min_steps": 1},
        {},
    ],
)
def test_bad_recipes(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^(recipe|augmentation|unknown augmentation)"):
        Recipe(**fields)  # type: ignore[arg-type]


def test_batches_show_every_image_once_an_epoch_and_cross_its_end() -> None:
    batches = Batches(images(), torch.arange(40), 16, ("none",), torch.Generator().manual_seed(0))
    seen = torch.cat([batch.positions for batch in batches.take(10)])
    assert all(sorted(seen[i : i + 40].tolist()) == list(range(40)) for i in range(0, 160, 40))


def test_batches_in_blocks_are_the_same_supply(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw() -> list[Tensor]:
        batches = Batches(images(), torch.arange(40), 16, ("crop",), torch.Generator().manual_seed(0))
        return [batch.positions for batch in batches.take(12)]

    whole = draw()
    assert all(torch.equal(a, b) for a, b in zip(whole, draw(), strict=True))
    monkeypatch.setattr("benchmark.training.batches.MAX_STEPS", 5)
    counts = Counter(torch.cat(draw()).tolist())
    assert max(counts.values()) - min(counts.values()) <= 1  # still without replacement across blocks


def test_views_show_the_same_images() -> None:
    batches = Batches(images(), torch.arange(10, 20), 4, ("none", "none"), torch.Generator().manual_seed(0))
    batch = next(batches.take(1))
    assert torch.equal(batch.views[0], batch.views[1])
    expected = (images().pixels[10 + batch.positions].float() / 255 - 0.5) / 0.25
    torch.testing.assert_close(batch.images, expected.permute(0, 3, 1, 2))


def test_no_images_is_an_error() -> None:
    with pytest.raises(ValueError, match="no images"):
        next(Batches(images(), torch.arange(0), 4, ("none",), torch.Generator()).take(1))


def test_training_depends_on_seed_and_round_and_on_nothing_else() -> None:
    first = weights(fitted(task()))
    torch.manual_seed(99)
    torch.rand(10)
    assert torch.equal(weights(fitted(task())), first)
    assert not torch.equal(weights(fitted(task(seed=1))), first)
    assert not torch.equal(weights(fitted(task(round_=1))), first)


def test_training_fits_the_labels() -> None:
    recipe = dataclasses.replace(RECIPE, min_steps=150)
    job = task(recipe)
    network = fitted(job).eval()
    predicted = network(job.images.normalised(job.labelled)).logits.argmax(1)
    assert (predicted == job.targets).float().mean() > 0.9


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_step_is_the_optimisers_own(optimizer: str) -> None:
    """One step without dropout against plain PyTorch, in float32."""
    recipe = Recipe(optimizer=optimizer, min_steps=1, batch_size=30, schedule="constant", precision="float32")
    job, reference = task(recipe), task(recipe).network
    for module in [*job.network.dropouts, *reference.dropouts]:
        module.probability = 0.0
    supervised.fit(job)
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    momentum = {"momentum": 0.9} if optimizer == "sgd" else {}
    plain = kinds[optimizer](reference.parameters(), lr=0.1, weight_decay=5e-4, **momentum)
    F.cross_entropy(reference(job.images.normalised(job.labelled)).logits, job.targets).backward()
    plain.step()
    # Adam's first step is ±lr whatever the gradient's size, so rounding shows where the gradient is nearly 0
    close = (weights(job.network) - weights(reference)).abs() < 1e-4
    assert close.float().mean() > 0.995


class Probe(Attachment):
    """Records what its loss is shown, and adds nothing to the network's gradient."""

    learning_rate_scale = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.steps: list[Step] = []

    def forward(self, output: Output | Step) -> Tensor:
        return output.embedding.mean(1) * self.scale

    def loss(self, step: Step) -> Tensor:
        self.steps.append(step)
        return self.scale.sum()


def test_an_attachment_sees_every_step_and_learns_at_its_own_rate() -> None:
    probe = Probe()
    recipe = dataclasses.replace(RECIPE, min_steps=4, schedule="constant", momentum=0.0, weight_decay=0.0)
    job = task(recipe, probe)
    network = fitted(job)
    assert [s.progress for s in probe.steps] == [0, 0.25, 0.5, 0.75]
    assert probe.scale.item() == pytest.approx(1 - 4 * 0.05 * 0.5)
    first = probe.steps[0]
    torch.testing.assert_close(first.losses, F.cross_entropy(first.logits, first.targets, reduction="none"))
    assert torch.equal(weights(network), weights(fitted(task(recipe))))  # the backbone stays paired


def test_metrics_by_brute_force() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(500, 4, generator=generator)
    labels = torch.randint(0, 3, (500,), generator=generator)  # no image of class 3
    metrics = evaluate(logits, labels)
    probs = np.exp(logits.double().numpy())
    probs /= probs.sum(1, keepdims=True)
    hits = probs.argmax(1) == labels.numpy()
    assert metrics.accuracy == pytest.approx(hits.mean())
    assert metrics.nll == pytest.approx(-np.log(probs[np.arange(500), labels]).mean())
    error = 0.0
    for b in range(15):
        inside = (probs.max(1) > b / 15) & (probs.max(1) <= (b + 1) / 15)
        assert metrics.bins[b][0] == inside.sum()
        assert metrics.bins[b][2] == hits[inside].sum()
        if inside.any():
            error += abs(hits[inside].mean() - probs.max(1)[inside].mean()) * inside.mean()
    assert metrics.ece == pytest.approx(error)
    assert metrics.class_accuracy[3] is None
    assert metrics.class_accuracy[0] == pytest.approx(hits[labels.numpy() == 0].mean())


def test_a_diverged_network_is_refused() -> None:
    with pytest.raises(ValueError, match="diverged"):
        evaluate(torch.tensor([[float("nan"), 1.0]]), torch.tensor([0]))


class Watched(Network):
    """A linear classifier of mean colours that notes the sizes and the means of the images that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.stage_channels, self.last_map_is_embedding = (1,), True  # type: ignore[misc]
        self.dropout, self.head = Dropout(0.0, 1), nn.Linear(1, 10)
        self.seen: list[tuple[bool, tuple[int, ...], Tensor]] = []

    def backbone(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        self.seen.append((self.training, tuple(x.shape[2:]), x.detach().mean((1, 2, 3))))
        return x.mean((2, 3)), (x.mean((2, 3), keepdim=True),)


@pytest.mark.parametrize(("share", "halved"), [(0.0, 0), (0.5, 6), (0.6, 7), (0.99, 11)])
def test_the_first_steps_see_images_of_half_the_size(share: float, halved: int) -> None:
    whole, half = (replace(task(replace(RECIPE, half_size_until=s)), network=Watched()) for s in (0.0, share))
    for job in (whole, half):
        supervised.fit(job)
    sizes = [shape for training, shape, _ in half.network.seen if training]  # type: ignore[attr-defined]
    assert sizes == [(4, 4)] * halved + [(8, 8)] * (12 - halved)
    for (_, _, ours), (_, _, theirs) in zip(half.network.seen, whole.network.seen, strict=True):  # type: ignore[attr-defined]
        torch.testing.assert_close(ours, theirs)  # each pixel is the mean of four


def test_what_is_predicted_during_and_after_a_training_sees_whole_images() -> None:
    network = Watched()
    network.halves_images = True
    network.eval()(torch.zeros(2, 1, 8, 8))
    assert network.seen[0][1] == (8, 8)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_the_share_of_small_images_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match=r"recipe.half_size_until is a share of the steps"):
        Recipe(min_steps=1, half_size_until=share)


def test_small_images_cost_a_quarter() -> None:
    recipe = Recipe(min_steps=10, batch_size=4)
    whole, mixed = (
        operations.of_training("compact", {"width": 4}, (3, 32, 32), replace(recipe, half_size_until=s), 100)
        for s in (0.0, 0.5)
    )
    assert whole == 40 * operations.of_model("compact", {"width": 4}, (3, 32, 32))
    assert mixed / whole == pytest.approx(0.5 + 0.5 / 4, abs=0.03)
