"""What queries and training steps cost a GPU, counted on the pretended one, and the table in which it is committed.

``PYTHONPATH=.:tests python -m support.device_costs`` writes the table after a change that makes something cheaper. It
refuses to let anything grow; a strategy or learner that is new is added.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmark import learners
from benchmark.training.batches import Images
from benchmark.training.task import TrainingTask
from strategies import registry
from strategies.testing import SyntheticPool
from support.pretended_gpu.pretending import pretended_gpu
from support.small_trainings import ONLINE, RECIPE, Norm, task

TABLE = Path(__file__).resolve().parents[1] / "gpu" / "device_costs.json"
# A strategy that is slow with what it does for each of many rounds, with fewer of them.
SHORTER = {"activeft": "activeft[iterations=10]", "boss": "boss[batches=5]", "refine": "refine[batches=9,depth=1]"}
BATCHES = (8, 24)  # sizes of the queries that are counted
LEARNERS = ("supervised", *ONLINE)
STEPS = dataclasses.replace(RECIPE, min_steps=24)


@dataclasses.dataclass(frozen=True)
class Steps:
    """Of each step of a training but the first: operations, waits and copies since the one before."""

    operations: list[int]
    waits: list[int]
    copies: list[int]


def query(name: str, n: int) -> tuple[int, list[str]]:
    """The waits of a query for ``n`` of 160 images, and the operations that sum in an order of CUDA's own."""
    strategy = registry.resolve(SHORTER.get(name, name)).build()
    pool = SyntheticPool.draw(160, 40)
    names = [field.name for field in dataclasses.fields(pool) if field.init]
    with pretended_gpu() as log:
        parts = {name: getattr(pool, name) for name in names}
        moved = {name: part.to("cuda") for name, part in parts.items() if hasattr(part, "to")}
        on_gpu = dataclasses.replace(pool, **moved)
        log.clear()
        strategy.select(on_gpu, n, torch.Generator().manual_seed(0))
        return sum(log.waits.values()), sorted({f"{operation} at {place}" for operation, place in log.unordered})


def steps(name: str) -> Steps:
    """What the steps of a small training by a learner cost."""
    seen: list[tuple[int, int, int]] = []
    with pretended_gpu() as log:
        job = moved_task(task(recipe=STEPS, attachment=Norm(), unlabelled=400))

        def count(*_: Any) -> None:
            seen.append(tuple(sum(part.values()) for part in (log.operations, log.waits, log.copies)))  # type: ignore[arg-type]

        hook = register_optimizer_step_post_hook(count)
        log.clear()
        try:
            learners.build(name).fit(job)
        finally:
            hook.remove()
    columns = zip(
        *[[b - a for a, b in zip(one, other, strict=True)] for one, other in itertools.pairwise(seen)],
        strict=True,
    )
    return Steps(*[list(column) for column in columns])


def moved_task(job: TrainingTask) -> TrainingTask:
    """The same training on the pretended GPU."""
    assert job.attachment is not None
    images = Images(*(getattr(job.images, field.name).to("cuda") for field in dataclasses.fields(Images)))
    indices = {name: getattr(job, name).to("cuda") for name in ("labelled", "targets", "unlabelled")}
    network, attachment = job.network.to("cuda"), job.attachment.to("cuda")
    return dataclasses.replace(job, images=images, network=network, attachment=attachment, **indices)


def table() -> dict[str, Any]:
    """What is committed: of every strategy the waits of its queries, of every learner the operations of a step."""
    return dict(json.loads(TABLE.read_text(encoding="utf-8")))


def _write() -> int:
    now = {
        "torch": torch.__version__.partition("+")[0],
        "waits": {name: [query(name, n)[0] for n in BATCHES] for name in registry.names()},
        "operations": {name: min(steps(name).operations) for name in LEARNERS},
    }
    before = table() if TABLE.exists() else {"waits": {}, "operations": {}}
    grown = [name for name, waits in now["waits"].items() if waits > before["waits"].get(name, waits)]
    grown += [name for name, count in now["operations"].items() if count > before["operations"].get(name, count)]
    if grown:
        print(f"not written, because these cost more than before: {', '.join(grown)}", file=sys.stderr)
        return 1
    text = json.dumps(now, indent=1).replace("[\n   ", "[").replace(",\n   ", ", ").replace("\n  ]", "]")
    TABLE.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(_write())
