"""Whether the system has killed a process for want of memory."""

from __future__ import annotations

import re
import signal
from pathlib import Path

_COUNTS = ((Path("/proc/vmstat"), "oom_kill"), (Path("/sys/fs/cgroup/memory.events"), "oom_kill"))


class MemoryWatch:
    """Tells whether a process that was killed was killed for memory: the system then counts one more such kill."""

    def __init__(self) -> None:
        self._before = _kills()

    def has_killed(self, exit_code: int | None) -> bool:
        """Whether that is what a process with this exit code, which has just died, died of.

        Where the system keeps no count, every SIGKILL is taken for it.
        """
        if exit_code != -signal.SIGKILL:
            return False
        before, self._before = self._before, _kills()
        return self._before is None or before is None or self._before > before


def _kills() -> int | None:
    """How many processes the system has killed for memory since it started; None where it does not tell."""
    for path, name in _COUNTS:
        try:
            found = re.search(rf"^{name} (\d+)$", path.read_text(), re.MULTILINE)
        except OSError:
            continue
        if found is not None:
            return int(found[1])
    return None
