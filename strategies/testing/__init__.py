"""The contract of acquisition strategies as one call, for the suite's tests and for those of plugins.

    from strategies.testing import check_strategy

    def test_contract() -> None:
        check_strategy(Mine())

``SyntheticPool`` is a pool of made-up numbers, for tests of what is particular to a strategy.
"""

from strategies.testing.contract import check_strategy
from strategies.testing.synthetic import SyntheticPool, SyntheticTuning

__all__ = ["SyntheticPool", "SyntheticTuning", "check_strategy"]
