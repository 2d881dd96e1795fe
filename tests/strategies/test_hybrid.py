"""Variants and parameters of the hybrid strategies; each has a file of its own for its definition."""

import pytest

from strategies.registry import resolve
from strategies.testing import check_strategy


@pytest.mark.parametrize("strategy", ["alfa-mix[form=elementwise]", "dropquery[passes=1]"])
def test_variants_keep_the_contract(strategy: str) -> None:
    check_strategy(strategy)


@pytest.mark.parametrize(
    "text",
    [
        *("bait[regularisation=0]", "bait[dimensions=-1]", "bait[candidates=-1]"),
        *("alfa-mix[form=both]", "alfa-mix[step=0]", "alfa-mix[step=1.5]"),
        *("dropquery[passes=0]", "dropquery[rate=1]", "dropquery[breadth=0]"),
    ],
)
def test_parameters_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition("[")[2].partition("=")[0]):
        resolve(text).build()
