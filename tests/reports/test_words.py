"""Small words that tables, notes and captions share."""

from __future__ import annotations

from benchmark.reports.words import names


def test_a_learner_keeps_its_parameters_where_another_is_called_so() -> None:
    keys = [("random", "supervised"), ("random", "fixmatch[mu=3]"), ("random", "flexmatch[mu=3]")]
    assert names(keys) == ["random (supervised)", "random (fixmatch)", "random (flexmatch)"]
    assert names([*keys, ("random", "fixmatch")])[1:] == [
        "random (fixmatch[mu=3])",
        "random (flexmatch)",
        "random (fixmatch)",
    ]
    assert names(keys[1:2]) == ["random"]
