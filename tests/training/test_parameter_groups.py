"""Which parameters the weight decay acts on, by the kinds of their modules."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from support.small_trainings import RECIPE, Norm, task
from torch import Tensor, nn

from benchmark.models import factory
from benchmark.training.batches import Batch
from benchmark.training.engine import decayed, minimise
from benchmark.training.task import TrainingTask

KERNELS = dataclasses.replace(
    RECIPE, min_steps=3, weight_decay=0.1, weight_decay_on="kernels", schedule="constant", learning_rate=0.5
)
MODELS = ["cnn", "compact", "resnet18", "wide-resnet", "densenet121-cifar"]


def job_of(model: str, recipe: str) -> TrainingTask:
    """A task without any slope, whose weights only the decay can change."""
    job = task(recipe=dataclasses.replace(KERNELS, weight_decay_on=recipe), attachment=Norm())
    network = factory.build(model, {"width": 8}, 1, (32, 32), 5)
    return dataclasses.replace(job, network=network)


def flat(job: TrainingTask) -> None:
    """Three steps of a loss that is 0 whatever the parameters."""
    assert job.attachment is not None

    def objective(batch: Batch, progress: float) -> Tensor:
        modules = [job.network, job.attachment]
        return sum((0 * p).sum() for module in modules for p in module.parameters())  # type: ignore[union-attr]

    minimise(job, objective)


def kernels_of(network: nn.Module) -> set[str]:
    """The weights of convolutions and linear layers, by the modules' kinds."""
    kinds = (nn.Conv2d, nn.Linear)
    return {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, kinds)}


@pytest.mark.parametrize("model", MODELS)
def test_the_decay_spares_biases_and_normalisation(model: str) -> None:
    job = job_of(model, "kernels")
    before = copy.deepcopy(job.network.state_dict())
    flat(job)
    kernels = kernels_of(job.network)
    spared = {name for name, _ in job.network.named_parameters()} - kernels
    assert spared
    for name, parameter in job.network.named_parameters():
        if name in spared:
            assert torch.equal(parameter, before[name]), name
        elif parameter.requires_grad:
            velocity, value = torch.zeros_like(before[name]), before[name]
            for _ in range(3):
                velocity = 0.9 * velocity + 0.1 * value
                value = value - 0.5 * velocity
            torch.testing.assert_close(parameter.detach(), value)
    assert isinstance(job.attachment, Norm)
    assert job.attachment.scale.item() == 1


def test_by_default_it_acts_on_all() -> None:
    job = job_of("wide-resnet", "all")
    before = copy.deepcopy(job.network.state_dict())
    flat(job)
    for name, parameter in job.network.named_parameters():
        assert torch.equal(parameter, before[name]) == (not before[name].any()), name
    assert isinstance(job.attachment, Norm)
    assert job.attachment.scale.item() < 1


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_every_parameter_is_in_one_group(optimizer: str) -> None:
    network = factory.build("wide-resnet", {"depth": 10, "width": 1}, 3, (32, 32), 10)
    recipe = dataclasses.replace(KERNELS, optimizer=optimizer)
    groups = decayed(recipe, network.parameters())
    assert [group.weight_decay for group in groups] == [0.1, 0.0]
    members = [id(parameter) for group in groups for parameter in group.parameters]
    assert sorted(members) == sorted(id(parameter) for parameter in network.parameters())
    job = dataclasses.replace(job_of("cnn", "kernels"), recipe=recipe)
    before = copy.deepcopy(job.network.state_dict())
    flat(job)
    moved = {name for name, value in job.network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == kernels_of(job.network)


def test_a_module_of_biases_alone_has_one_group() -> None:
    assert [group.weight_decay for group in decayed(KERNELS, Norm().parameters())] == [0.0]


def test_the_groups_of_a_module_share_its_rate() -> None:
    """An attachment's kernels and biases both learn at its own rate, half the network's."""

    class Slow(Norm):
        learning_rate_scale = 0.5

        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Parameter(torch.ones(2, 2))

    recipe = dataclasses.replace(KERNELS, min_steps=1, weight_decay=0.0, momentum=0.0)
    job = dataclasses.replace(task(recipe=recipe), attachment=Slow())
    slow = job.attachment
    assert isinstance(slow, Slow)
    bias = job.network.head.bias.detach().clone()
    minimise(job, lambda batch, progress: job.network.head.bias.sum() + slow.kernel.sum() + slow.scale.sum())
    torch.testing.assert_close(job.network.head.bias.detach(), bias - 0.5)
    torch.testing.assert_close(slow.kernel.detach(), torch.full((2, 2), 0.75))
    assert slow.scale.item() == pytest.approx(0.75)
