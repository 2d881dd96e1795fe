"""The sign map: cells against means of differences, bands, and what is framed."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from support.made_reports import curves_of, report_of, rising_curves

from benchmark.reports.data import Report
from benchmark.reports.sections.signs import SECTION, compute, figure, table

LABELS = [20, 40, 80, 160, 320]


@pytest.fixture(scope="module")
def report() -> Report:
    """Bald falls behind and catches up; margin does neither."""
    draw = np.random.default_rng(0)
    base = np.linspace(0.5, 0.9, 5) + draw.normal(0, 0.03, (6, 1))
    change = {"random": np.zeros(5), "bald": np.array([0, -0.15, -0.1, 0.05, 0.08]), "margin": np.zeros(5)}
    return report_of(
        curves_of({name: base + own + draw.normal(0, 0.004, base.shape) for name, own in change.items()}, LABELS)
    )


def test_cells_are_mean_differences_with_simultaneous_bands(report: Report) -> None:
    found = compute(report)
    assert found.endpoints == tuple(map(str, LABELS))
    assert found.tests == 2 * len(LABELS)
    table_of = report.curves.pivot(index=["strategy", "seed"], columns="labels", values="accuracy")
    for labels in LABELS:
        row = found.of("random", str(labels)).loc[("bald", "supervised")]
        assert row["difference"] == pytest.approx((table_of.loc["bald"] - table_of.loc["random"])[labels].mean())
        assert row["band_low"] < row["low"] < row["high"] < row["band_high"]


def test_marks_and_frames_are_the_bands_that_exclude_zero(report: Report) -> None:
    made = table(report, report.views[0])
    assert made is not None
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in made.rows}
    assert [text[0] + text[-1] for text in rows["bald"][1:5]] == ["−*", "−*", "+*", "+*"]
    assert not any(text.endswith("*") for text in rows["margin"])
    assert rows["bald"][-1].startswith("worse early")
    assert "better late" in rows["bald"][-1]
    drawn = figure(report, report.views[0])
    assert drawn is not None
    frames = [patch for patch in drawn.axes[0].patches if isinstance(patch, Rectangle)]
    assert len(frames) == sum(text.endswith("*") for row in rows.values() for text in row)


def test_a_single_label_count_has_no_map() -> None:
    report = report_of(rising_curves(4, 3, 1))
    assert table(report, report.views[0]) is None
    assert figure(report, report.views[0]) is None
    alone = report_of(rising_curves(1, 3, 5))
    assert figure(alone, alone.views[0]) is None


@pytest.mark.parametrize(("strategies", "labels"), [(4, 3), (37, 15), (9, 60)])
def test_the_map_fits_the_page(strategies: int, labels: int) -> None:
    report = report_of(rising_curves(strategies, 3, labels))
    drawn = figure(report, report.views[0])
    assert drawn is not None
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    texts = [t for t in drawn.findobj(lambda artist: hasattr(artist, "get_text")) if t.get_text().strip()]
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in texts if text.get_visible()]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= drawn.bbox.width + 1


def test_the_alternative_text_names_the_reference(report: Report) -> None:
    assert SECTION.figure is not None
    assert SECTION.figure.alt is not None
    other = report_of(report.curves, baseline="bald", reference="bald")
    texts = [SECTION.figure.alt(one) for one in (report, other)]
    assert texts == [f"Difference to {name} by strategy and number of labels" for name in ("random", "bald")]


def test_without_bands_the_caption_explains_no_marks(report: Report) -> None:
    few = report_of(report.curves[report.curves["seed"] < 2])
    made, whole = (table(one, one.views[0]) for one in (few, report))
    assert made is not None
    assert whole is not None
    assert "95 % band" not in made.caption
    assert "With fewer than 3 seeds there is no band." in made.caption
    assert "simultaneous over the 10 cells of the map" in whole.caption
