"""How figures look, and their files."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from support.made_reports import report_of, rising_curves

from benchmark.experiment import library
from benchmark.learners import LEARNERS
from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.style import ONE_COLUMN, SMALLEST, look, remark, save
from benchmark.reports.sections import accuracy
from strategies.registry.catalogue import CATALOGUE


def test_a_strategy_keeps_its_colour() -> None:
    assert look("margin") == look("margin")
    assert look("typiclust[neighbours=5]").colour == look("typiclust").colour
    core = ["random", "margin", "badge", "coreset", "learning-loss", "entropy", "bald", "typiclust"]
    assert len({look(name).colour for name in core}) == len(core)


def test_figures_do_not_touch_pyplot(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    report = report_of(rising_curves(3, 2, 4))
    figure = accuracy.figure(report, report.views[0])
    assert figure is not None
    save(figure, tmp_path / "figure")
    assert pyplot.get_fignums() == []
    assert dict(mpl.rcParams) == before
    assert b"CreationDate" not in (tmp_path / "figure.pdf").read_bytes()
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


def test_a_long_remark_takes_more_lines() -> None:
    for words in ("", "one seed", "mean over 10 seeds; " * 5):
        figure = Figure(figsize=(ONE_COLUMN, 2))
        axes = figure.add_axes((0.1, 0.2, 0.8, 0.7))
        remark(figure, words)
        (text,) = figure.texts
        figure.set_dpi(200)
        box = text.get_window_extent(FigureCanvasAgg(figure).get_renderer())
        assert 0 <= box.x0 <= box.x1 <= ONE_COLUMN * 200
        assert " ".join(text.get_text().split()) == words.strip()
        assert text.get_fontsize() == SMALLEST
        more = figure.get_figheight() - 2
        assert (more > 0) == (len(words) > 20)
        inches = axes.get_position().bounds[1::2]
        assert [share * (2 + more) for share in inches] == pytest.approx([0.4 + more, 1.4])
        assert box.y1 <= 200 * (0.4 + more)


def test_shortened_names_of_variants_still_differ() -> None:
    variants = library.load("cifar10-loss-ablation").strategies
    shown = [style.short(name) for name in variants]
    assert len(set(shown)) == len(variants)
    assert max(map(len, shown)) <= 30
    assert style.short("learning-loss[batcher=agglomerative]") == "learning-loss[agglomerative]"
    assert style.short("semi-supervised-learning-loss[batcher=topk]") == "semi-supervise…ning-loss[topk]"
    assert style.short("margin[mode=topk]", 30) == "margin[mode=topk]"


@pytest.mark.parametrize("most", [12, 20, 24, 30])
def test_no_shortened_name_is_longer_than_asked(most: int) -> None:
    many = ",".join(f"k{i}={i}" for i in range(30))
    for label in (
        "a" * 50,
        "typiclust[neighbours=20,space=embeddings]",
        f"x[{many}]",
        "a (b[c=1,d=2]) and much more text",
    ):
        assert len(style.short(label, most)) <= most


def test_what_the_suite_lists_has_looks_of_its_own() -> None:
    """Strategies, with those that a wrapper makes, and learners: none is drawn as another is."""
    strategies = [entry if isinstance(entry, str) else entry.name for entry in CATALOGUE]
    looks = {name: look(name) for name in (*strategies, *LEARNERS) if name != "supervised"}
    assert len(set(looks.values())) == len(looks) > 50


def test_rows_are_shortened_no_further_than_they_differ() -> None:
    rows = ["coreset[first=0.123456789,beta=0.2,third=0.33333]", "coreset[first=0.123456789,beta=0.9,third=0.33333]"]
    rows += [f"semi-supervised-learning-loss[{field}=0.1]" for field in ("hold_out", "tuning_rate")]
    rows += ["semi-supervised-learning-loss[batcher=topk]"]
    shown = style.row_labels([(name, "supervised") for name in rows])
    assert len(set(shown)) == len(rows)
    assert shown[4] == "semi-supervise…ning-loss[topk]"
    assert style.row_labels([("margin", "supervised"), ("margin", "supervised")]) == ["margin", "margin"]
