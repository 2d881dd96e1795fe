"""The sections of web pages on strategies across data sets and protocols."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from benchmark.reports.rendering.figures import style
from benchmark.reports.rendering.figures.across import across_figure
from benchmark.reports.rendering.figures.critical_difference import rank_figure
from benchmark.reports.rendering.tables.across import across_table, warm_up_table
from benchmark.reports.rendering.tables.table import Cell, Table
from benchmark.reports.rendering.web.markup import sortable
from benchmark.reports.statistics.across import Across, Setting, across, main_settings
from benchmark.reports.statistics.ranks import FEWEST_BLOCKS, MOST_RANKED, Ranks, blocks, rank_tests_if_allowed
from benchmark.reports.statistics.seeds import SUPERVISED
from benchmark.reports.statistics.tidy import RUN
from benchmark.text import escapes

TITLE, WARM_UP = "Across data sets and protocols", "Warm-up labels"


def across_sections(settings: Sequence[Setting]) -> str:
    """The measures with their figure, warm-up labels, and ranks; empty for fewer than two settings."""
    if len(settings) < 2:
        return ""
    found = across(settings)
    with style.page(2):
        wide = across_figure(found, settings[0].reference)
    with style.page(1):
        narrow = across_figure(found, settings[0].reference)
    said = "Relative error reduction, probability of improvement and mean rank of each strategy, with intervals"
    drawn = "" if wide is None or narrow is None else _picture(wide, said, narrow)
    warm_up = warm_up_table(settings, found.table["strategy"].tolist())
    return "\n".join(
        [
            f"<section><h2>{TITLE}</h2>{drawn}{_table(TITLE, across_table(found, settings))}</section>",
            f"<section><h2>{WARM_UP}</h2>{_table(WARM_UP, warm_up)}</section>",
            _ranks_section(found, settings),
        ]
    )


def rank_tests_of(settings: Sequence[Setting]) -> Ranks | None:
    """Friedman's and Nemenyi's tests with a data set as a block, that of its main setting; None where not allowed."""
    tables = [
        pd.DataFrame(
            [
                (strategy, SUPERVISED, seed, area)
                for strategy, areas in one.areas.items()
                for seed, area in zip(one.seeds, areas, strict=True)
            ],
            columns=[*RUN, "area"],
        )
        for one in main_settings(settings).values()
    ]
    return rank_tests_if_allowed(blocks(*tables))


def _ranks_section(found: Across, settings: Sequence[Setting]) -> str:
    """Mean ranks over all data sets and in each; the diagram where ranks can be tested."""
    if found.ranks.shape[1] < 2:
        return ""
    main = main_settings(settings)
    table = found.ranks.to_numpy()
    means = table.mean(axis=1)
    rows = [
        [Cell(str(found.ranks.index[i])), Cell(f"{means[i]:.2f}"), *(Cell(f"{rank:.1f}") for rank in table[i])]
        for i in means.argsort(kind="stable")
    ]
    said = (
        f"Mean ranks by mean area under the budget curve, 1 is best, over {len(main)} data sets "
        f"({', '.join(one.experiment for one in main.values())}). The strategies are those with the most seeds on each "
        "of these data sets; a column is the mean over the settings with all of them. "
    )
    ranks, picture = rank_tests_of(settings), ""
    if ranks is None:
        said += (
            f"The ranks are not tested or drawn: that takes at least {FEWEST_BLOCKS} data sets and 3 to {MOST_RANKED} "
            "strategies. Seeds and protocols are no blocks: they are dependent."
        )
    else:
        p = "< 0.001" if ranks.friedman < 0.001 else f"= {ranks.friedman:.3f}"
        said += (
            f"Friedman's test over data sets, each by the experiment named: p {p}; two strategies differ in Nemenyi's "
            f"test at 5 % if their mean ranks are at least {ranks.critical_difference:.2f} apart."
        )
        if (figure := rank_figure(ranks)) is not None:
            picture = _picture(figure, "Critical-difference diagram of the mean ranks in the table")
    title = "Mean ranks over data sets"
    drawn = sortable(["strategy", "all", *found.ranks.columns], rows, [0], title)
    return f'<section><h2>{title}</h2>{drawn}{picture}<p class="caption">{escapes.html(said)}</p></section>'


def _table(title: str, table: Table) -> str:
    """A table that fits its window, its heading below, and how to read it on demand."""
    drawn = sortable(table.header, table.rows, [0], title, cards=True)
    return (
        f'{drawn}<p class="caption">{escapes.html(table.heading)}</p>'
        f'<details class="caption"><summary>How to read the table</summary><p>{escapes.html(table.notes)}</p></details>'
    )


def _picture(figure: Figure, alt: str, narrow: Figure | None = None) -> str:
    """A figure within the page, another one on a phone."""
    source = "" if narrow is None else f'<source media="(max-width: 36rem)" srcset="{_address(narrow)}">'
    kind = "both" if figure.get_figwidth() > style.ONE_COLUMN else "one"
    image = f'<img src="{_address(figure)}" alt="{escapes.html(alt)}">'
    return f'<figure class="{kind}"><picture>{source}{image}</picture></figure>'


def _address(figure: Figure) -> str:
    return f"data:image/png;base64,{base64.b64encode(style.png(figure)).decode()}"
