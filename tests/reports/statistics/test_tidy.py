"""Tables of many runs: names as categories in the order of texts, and groups without copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.report_lines import header_of, round_of

from benchmark.experiment.keys import RunKey
from benchmark.reports.statistics.tidy import RUN, chosen, groups, pieces, tidy
from benchmark.results.records import RunRecord

BY = ["strategy", "learner"]


def table(*keys: tuple[str, str, int]) -> pd.DataFrame:
    rounds = [round_of(0, 20, 20), round_of(1, 40)]
    return tidy([RunRecord(header_of(RunKey(*key)), rounds, Path("x")) for key in keys])


KEYS = [("random", "supervised", 3), ("random", "supervised", 1), ("badge", "supervised", 2), ("badge", "fixmatch", 2)]


@pytest.mark.parametrize("order", [range(8), [7, 0, 2, 4, 1, 3, 6, 5]])
def test_groups_are_those_of_texts_wherever_their_rows_are(order: list[int]) -> None:
    frame = table(*KEYS).iloc[order]
    as_text = frame.astype({"strategy": object, "learner": object})
    for by in (BY, RUN, ["labels"]):
        found = groups(frame, by)
        expected = dict(iter(as_text.groupby(by if len(by) > 1 else by[0], sort=False)))
        assert list(found) == list(expected)
        for key, own in expected.items():
            pd.testing.assert_frame_equal(found[key].astype(as_text.dtypes), own)


def test_chosen_rows_are_in_order_and_all_of_them_are_the_table_itself() -> None:
    frame = table(*KEYS).iloc[[7, 0, 2, 4, 1, 3, 6, 5]]
    some = chosen(frame, BY, lambda key, own: (own["seed"] < 3) & (key[0] != "badge"))
    assert some.index.tolist() == [2, 3]
    assert chosen(frame, BY, lambda *_: True) is frame


def test_rows_that_stand_together_are_not_copied() -> None:
    frame = table(*KEYS)
    for _, own in pieces(frame, BY):
        assert np.shares_memory(own["accuracy"].to_numpy(), frame["accuracy"].to_numpy())


def test_names_sort_as_text_and_large_seeds_stay_whole() -> None:
    frame = table(("random", "supervised", 2**40), ("badge", "supervised", 0), ("margin", "supervised", 5))
    assert frame["seed"].tolist() == [2**40] * 2 + [0, 0, 5, 5]
    assert frame.sort_values("strategy")["strategy"].unique().tolist() == ["badge", "margin", "random"]
    assert len(table()) == 0
