"""Semi-supervised learning loss: how long its module is tuned, and on what."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.small_trainings import CLASSES, task
from torch import Tensor

from benchmark.training.predict import Predictor
from benchmark.training.tuning import EngineTuning
from strategies.api import Passes, Query, TuningBatch
from strategies.components.loss_prediction import LossPrediction
from strategies.semi_supervised_learning_loss import SemiSupervisedLearningLoss
from strategies.testing import SyntheticTuning
from strategies.testing.synthetic import synthetic_output, synthetic_step

STAGES = (8, 16, 32)


def module(strategy: SemiSupervisedLearningLoss) -> LossPrediction:
    torch.manual_seed(0)
    return strategy.attach(STAGES, 4)


def tuned(strategy: SemiSupervisedLearningLoss, **counts: int) -> SyntheticTuning:
    tuning = SyntheticTuning(module(strategy), STAGES, **counts)
    strategy.after_training(tuning)
    return tuning


@pytest.mark.parametrize(
    ("training", "batch", "steps"),
    [(100, 32, 100), (400, 32, 100), (404, 32, 101), (4000, 32, 1000), (4000, 128, 1000), (4000, 16, 500)],
)
def test_tuning_takes_a_quarter_of_the_training_but_a_hundred_steps(training: int, batch: int, steps: int) -> None:
    """And no more labelled images than the training has, where that has small batches."""
    counts = {"training_steps": training, "training_images": training * batch, "unlabelled_count": 1000}
    (asked,) = tuned(SemiSupervisedLearningLoss(), **counts).asked
    assert asked == {
        "steps": steps,
        "labelled": 128,
        "unlabelled": 384,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
    }


@pytest.mark.parametrize(
    ("labels", "pool", "steps", "unlabelled"),
    [(2500, 47500, 600, 1536), (1000, 3000, 240, 374), (1, 300, 30, 300), (128, 301, 30, 150), (129, 301, 60, 150)],
)
def test_the_authors_schedule(labels: int, pool: int, steps: int, unlabelled: int) -> None:
    (asked,) = tuned(SemiSupervisedLearningLoss(official=True), labelled_count=labels, unlabelled_count=pool).asked
    assert (asked["steps"], asked["labelled"], asked["unlabelled"]) == (steps, 128, unlabelled)
    assert asked["learning_rate"] == 0.01


def test_small_pools_give_even_batches_and_empty_ones_no_tuning() -> None:
    assert tuned(SemiSupervisedLearningLoss(), unlabelled_count=101).asked[0]["unlabelled"] == 100
    assert tuned(SemiSupervisedLearningLoss(), unlabelled_count=0).asked == []
    assert tuned(SemiSupervisedLearningLoss(tuning="none")).asked == []


def test_tuning_on_labels_alone_asks_for_no_unlabelled_image() -> None:
    strategy = SemiSupervisedLearningLoss(tuning="labelled")
    assert [asked["unlabelled"] for asked in tuned(strategy).asked] == [0]
    query = Query(0, 10, 40, 1000, 4, training_steps=404, training_images=404 * 32)
    assert strategy.passes_in(query) == Passes(pool=1, images=101 * 128)


def learned(unlabelled: int) -> tuple[list[Tensor], list[int]]:
    """The module after three steps on labelled images, and how many images went through the network at a time."""
    strategy, job = SemiSupervisedLearningLoss(), task()
    torch.manual_seed(0)
    attachment = strategy.attach(job.network.attachment_channels, CLASSES)
    tuning = EngineTuning(job, Predictor(job.network, attachment, "float32"), job.labelled, job.targets)
    assert tuning.training_images == job.steps * job.recipe.batch_size
    sizes: list[int] = []

    def ranking(batch: TuningBatch) -> Tensor:
        assert len(batch.weak.logits) == len(batch.strong.embedding) == unlabelled
        assert {len(stage) for stage in batch.strong.stages} == {unlabelled}
        return strategy.ranking_loss(attachment.predict(batch.labelled.stages), batch.labelled.losses)

    job.network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    tuning.run(ranking, steps=3, labelled=10, unlabelled=unlabelled, learning_rate=0.01)
    return [parameter.detach() for parameter in attachment.parameters()], sizes


def test_the_engine_computes_no_unlabelled_image_where_none_is_asked_for() -> None:
    """And what the module learns from the labelled ones does not depend on it."""
    (alone, few), (beside, many) = learned(0), learned(8)
    assert few == [10] * 3
    assert many == [10, 8, 8] * 3
    assert all(map(torch.equal, alone, beside))


def naive_pseudo_loss(attachment: LossPrediction, batch: TuningBatch, threshold: float, target: str) -> Tensor:
    """Image by image, with all probabilities written out."""
    predicted, pseudo = [], []
    for u in range(len(batch.weak.logits)):
        q = batch.weak.logits[u].double().exp()
        q = q / q.sum()
        if q.max() < threshold:
            continue
        p = batch.strong.logits[u].double().exp()
        log_p = (p / p.sum()).log()
        pseudo.append(-log_p[q.argmax()] if target == "hard" else -(q * log_p).sum())
        predicted.append(attachment.predict(tuple(f[u : u + 1] for f in batch.strong.stages))[0])
    if len(pseudo) % 2:
        pseudo, predicted = pseudo[:-1], predicted[:-1]
    terms = [
        torch.log1p((predicted[j] - predicted[i] if pseudo[i] > pseudo[j] else predicted[i] - predicted[j]).exp())
        for i, j in zip(range(len(pseudo) // 2), range(len(pseudo) - 1, -1, -1), strict=False)
    ]
    return torch.stack(terms).mean() if terms else torch.zeros(())


def batch_of(count: int, scale: float, seed: int = 0) -> TuningBatch:
    views = (synthetic_output(STAGES, count, scale=s, seed=seed + k) for k, s in enumerate((scale, 1.0)))
    return TuningBatch(synthetic_step(STAGES, 8), *views)


@pytest.mark.parametrize("target", ["soft", "hard"])
@pytest.mark.parametrize("seed", range(4))
def test_the_pseudo_loss_is_its_definition(target: Any, seed: int) -> None:
    strategy, batch = SemiSupervisedLearningLoss(pseudo_target=target), batch_of(31, 3.0, seed)
    attachment = module(strategy)
    kept = int((batch.weak.logits.softmax(1).amax(1) >= 0.9).sum())
    assert 4 <= kept < 31
    expected = naive_pseudo_loss(attachment, batch, 0.9, target)
    torch.testing.assert_close(strategy.pseudo_loss(attachment, batch), expected.float())


def test_odd_and_even_numbers_of_confident_images_both_occurred() -> None:
    counts = [int((batch_of(31, 3.0, seed).weak.logits.softmax(1).amax(1) >= 0.9).sum()) for seed in range(4)]
    assert {count % 2 for count in counts} == {0, 1}


def test_soft_and_hard_targets_differ() -> None:
    soft, hard = (SemiSupervisedLearningLoss(pseudo_target=t, threshold=0.0) for t in ("soft", "hard"))
    batch = batch_of(64, 0.5)
    assert not soft.pseudo_loss(module(soft), batch).equal(hard.pseudo_loss(module(hard), batch))


@pytest.mark.parametrize("confident", [0, 1])
def test_fewer_than_two_confident_images_teach_nothing(confident: int) -> None:
    strategy, batch = SemiSupervisedLearningLoss(), batch_of(6, 0.0)
    batch.weak.logits[:confident, 2] = 50.0
    attachment = module(strategy)
    loss = strategy.pseudo_loss(attachment, batch)
    assert loss == 0
    loss.backward()
    assert all(p.grad is None or not p.grad.any() for p in attachment.parameters())


def test_a_threshold_that_nothing_passes_leaves_the_labelled_term() -> None:
    never, labels_only = SemiSupervisedLearningLoss(threshold=1.1), SemiSupervisedLearningLoss(tuning="labelled")
    tunings = [tuned(strategy) for strategy in (never, labels_only)]
    assert tunings[0].losses == tunings[1].losses
    for ours, theirs in zip(*(t.attachment.parameters() for t in tunings), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert all(loss.isfinite() for loss in tunings[0].losses)


def test_tuning_adds_the_labelled_ranking_and_the_pseudo_loss() -> None:
    strategy = SemiSupervisedLearningLoss()
    attachment, seen = module(strategy), []

    def run(loss: Any, **_: Any) -> None:
        for seed in range(2):
            batch = batch_of(31, 3.0, seed)
            expected = strategy.ranking_loss(attachment.predict(batch.labelled.stages), batch.labelled.losses)
            seen.append((loss(batch), expected + strategy.pseudo_loss(attachment, batch)))

    counts = {"labelled_count": 40, "unlabelled_count": 400, "training_steps": 100, "training_images": 3200}
    strategy.after_training(SimpleNamespace(attachment=attachment, run=run, **counts))
    assert len(seen) == 2
    for found, expected in seen:
        torch.testing.assert_close(found, expected)
