"""A failure's line in ``failures.jsonl``, and what is said of it."""

from __future__ import annotations

import contextlib
import socket
from datetime import UTC, datetime

from benchmark.campaign.tasks import Finished
from benchmark.results import failures, store
from benchmark.results.errors import Damaged
from benchmark.results.paths import attempt_of
from benchmark.results.records import FailureRecord


def recorded(finished: Finished) -> str:
    """Write the line of a task that failed; returns what to say of it."""
    task, failure = finished.task, finished.failure
    assert failure is not None
    root = task.path.parents[2]
    rounds = 0
    with contextlib.suppress(Damaged):
        record = store.read_run(task.path) if task.path.exists() else None
        rounds = 0 if record is None else len(record.rounds)
    line = FailureRecord(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        key=task.key,
        attempt=attempt_of(task.path),
        round=rounds,
        error=failure.error,
        traceback=failure.traceback,
        host=socket.gethostname(),
        retried=finished.retried,
    )
    try:
        failures.append(root, line)
        where = f"traceback in {root / failures.NAME}" if failure.traceback else ""
    except OSError as refused:
        where = f"no traceback: cannot write {root / failures.NAME}: {refused.strerror or refused}"
    if finished.retried:
        return f"retrying: {task.key}: {failure.error} in round {rounds}; it begins again there in another process"
    return f"failed: {task.key}: {failure.error}" + (f" ({where})" if where else "")
