"""The tests here run on a pretended GPU: they need no other, but private interfaces of PyTorch."""

from __future__ import annotations

import pytest
from support.pretended_gpu import missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lacking = missing()
    if lacking:
        mark = pytest.mark.skip(reason=f"the pretended GPU needs what this PyTorch lacks: {', '.join(lacking)}")
        for item in items:
            item.add_marker(mark)
