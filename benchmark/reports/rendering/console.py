"""Tables for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmark.reports.data import Report
from benchmark.reports.provenance import Provenance
from benchmark.reports.rendering.tables.cells import MARK, decimals, marked_best, row_name, thin_out
from benchmark.reports.rendering.tables.compared import difference_cells, rows_of
from benchmark.reports.rendering.tables.table import Cell
from benchmark.reports.rendering.tables.table import Table as Printed
from benchmark.reports.statistics.seeds import GROUP, Key
from benchmark.reports.statistics.summary import keys
from benchmark.reports.statistics.views import View
from benchmark.reports.words import count, ranges
from benchmark.text.terminal import Fitted, Prose, width_of, words

WIDEST = 100  # columns of the terminal


def console_table(report: Report) -> Group:
    """A summary for each view of the report (see ``views.views``), and a line for each mark in them."""
    parts: list[RenderableType] = []
    text = ""
    for view in report.views:
        title, table = _table(view, report)
        parts += [title, Fitted(table)]  # a table's own title is no wider than the table
        text += "".join(str(cell) for column in table.columns for cell in column.cells)
    marks = {
        "±": "standard deviation over seeds",
        MARK: f"better or worse than {report.reference} in {_measure(report)}, after correction",
        "†": "not all on the same device, PyTorch and data as the others: see the notes",
        "‡": "diagnostic, uses true labels: not ranked",
        "§": "not ranked, for it did not do what it is named for: see the notes",
    }
    return Group(*parts, *(Prose(f"{mark} {words}") for mark, words in marks.items() if mark in text))


def _measure(report: Report) -> str:
    return "area" if report.views[0].several_label_counts else "accuracy"


def _table(view: View, report: Report) -> tuple[Prose, Table]:
    """Accuracy at up to 6 label counts, area and difference to the reference, where there are any.

    There are fewer label counts where the table would be more than 100 columns wide. A mark stands beside differences
    that are better or worse (``Report.inference``).
    """
    source, accuracy = report.source, view.accuracy
    strategies = keys(view.summary)
    places = decimals(accuracy["sd"])
    last = int(view.summary["labels"].iloc[0])
    counts = [labels for labels in sorted(set(accuracy["labels"].tolist())) if labels <= last]
    which = f"{count(len(view.seeds), 'seed')} {ranges(view.seeds)}"
    seeds = {str(labels): sorted(set(own["seed"].tolist())) for labels, own in view.shared.groupby("labels")}
    title = Prose(f"{source.experiment}: test accuracy in % by number of labels, {which}", "italic")
    for most in (6 if places == 1 else 5, 4, 3):
        columns = _columns(view, report, thin_out(counts, most)[:-1], places)
        table = _of_columns(columns, strategies, source)
        if any(seeds[header] != view.seeds for header in columns if header in seeds):
            table.add_section()
            table.add_row(
                "seeds", *("" if "vs." in header else ranges(seeds.get(header, view.seeds)) for header in columns)
            )
        if width_of(table) <= WIDEST:
            break
    return title, table


def _columns(view: View, report: Report, shown: list[int], places: int) -> dict[str, list[Cell]]:
    """Accuracies at the label counts ``shown`` and at the last one, area, and difference to the reference."""
    accuracy, summary = view.accuracy, view.summary
    strategies, last = keys(summary), int(summary["labels"].iloc[0])
    columns = {}
    for labels in shown:
        there = accuracy[accuracy["labels"] == labels].set_index(GROUP).reindex(strategies)
        columns[str(labels)] = [cell._replace(spread="") for cell in marked_best(there["mean"], there["sd"], places)]
    columns[str(last)] = marked_best(summary["final_mean"], summary["final_sd"], places)
    if accuracy["labels"].nunique() > 1:
        columns["area"] = marked_best(summary["area_mean"], summary["area_sd"], places)
    gains = rows_of(report.inference, report.reference, strategies)
    if gains["n"].notna().any():
        columns[f"vs. {report.reference}"] = difference_cells(gains, places)
    return columns


def _of_columns(columns: dict[str, list[Cell]], strategies: list[Key], source: Provenance) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("strategy", overflow="fold")
    for header in columns:
        table.add_column(header, justify="right", no_wrap=True)
    for i, key in enumerate(strategies):
        table.add_row(
            words(row_name(key, source)),
            *(
                Text(cell.text, "bold" if cell.bold else "") + Text(f" ± {cell.spread}" if cell.spread else "", "dim")
                for cell in (column[i] for column in columns.values())
            ),
        )
    return table


def for_console(table: Printed) -> Group:
    """A report's table for the terminal, with its caption below."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for number, title in enumerate(table.header):
        left = number < table.text_columns
        shown.add_column(words(title), justify="left" if left else "right", no_wrap=not left, overflow="fold")
    for row in table.rows:
        shown.add_row(*(words(cell.text) for cell in row))
    return Group(Fitted(shown), *([Prose(table.caption, "italic")] if table.caption else []))
