"""Trainings on the pretended GPU: the host waits at the end of an epoch, and never within one."""

from __future__ import annotations

import dataclasses

import pytest
from support.pretended_gpu import missing
from support.small_trainings import ONLINE, Norm, task

if lacking := missing():
    pytest.skip(f"this PyTorch lacks {', '.join(lacking)}", allow_module_level=True)

from support.pretended_gpu.log import LOG
from support.pretended_gpu.pretending import pretended_gpu

from benchmark import learners
from benchmark.training.batches import Images
from benchmark.training.task import TrainingTask

AT_THE_END_OF_AN_EPOCH = {"benchmark/training/averaging.py", "benchmark/training/pseudo_labels.py"}


def moved(job: TrainingTask) -> TrainingTask:
    """The same training on the pretended GPU."""
    assert job.attachment is not None
    images = Images(*(getattr(job.images, field.name).to("cuda") for field in dataclasses.fields(Images)))
    indices = {name: getattr(job, name).to("cuda") for name in ("labelled", "targets", "unlabelled")}
    network, attachment = job.network.to("cuda"), job.attachment.to("cuda")
    return dataclasses.replace(job, images=images, network=network, attachment=attachment, **indices)


@pytest.mark.parametrize("name", ["supervised", *ONLINE])
def test_the_host_waits_for_no_step(name: str) -> None:
    with pretended_gpu():
        job = moved(task(attachment=Norm()))
        LOG.clear()
        learners.build(name).fit(job)
        assert LOG.operations["convolution"] >= 24
        waited = {place.partition(":")[0] for _, place in LOG.waits}
    assert waited == (set() if name == "supervised" else AT_THE_END_OF_AN_EPOCH)
