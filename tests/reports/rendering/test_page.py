"""The results page: its numbers are the tables', and nothing in it can run or be fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from scipy import stats
from support.report_lines import BUDGETS, data_of, write_experiment, write_grid, write_run

from benchmark.reports import notes_of, read_report, write_report
from benchmark.reports.rendering.tables.table import Cell
from benchmark.reports.rendering.web.markup import sortable
from benchmark.reports.rendering.web.page import experiment_page
from benchmark.reports.report import tables_of

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</script><script>alert(3)</script>",
    "a&lt;b$c",
]


class Elements(HTMLParser):
    """All start tags with their attributes, in order, and the text of each heading of a row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def attributes(self, name: str) -> list[str]:
        return [value or "" for _, attributes in self.found for key, value in attributes.items() if key == name]


def page_of(root: Path) -> str:
    """The page without the report's other files, which take longer."""
    report = read_report(root)
    tables = [(made.title, made.content) for made in tables_of(report) if made.name in ("summary", "accuracy")]
    return experiment_page(report, notes_of(report), tables, [])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_grid(tmp_path_factory.mktemp("results") / "mnist", ["random", "margin", "entropy"])
    write_report(root)
    return root


def test_the_curves_are_those_of_the_lines(root: Path) -> None:
    data = data_of((root / "index.html").read_text())
    runs = pd.read_csv(root / "curves.csv").pivot(index=["strategy", "labels"], columns="seed", values="accuracy")
    assert [line["strategy"] for line in data["lines"]] == pd.read_csv(root / "tables/summary.csv")["strategy"].tolist()
    for line in data["lines"]:
        mine = runs.loc[line["strategy"]]
        for view, values in (("accuracy", mine), ("gain", mine - runs.loc["random"])):
            if view == "gain" and line["strategy"] == "random":
                assert line[view]["labels"] == []
                continue
            mean, half = values.mean(axis=1), values.sem(axis=1) * stats.t.ppf(0.975, 2)
            assert line[view]["labels"] == BUDGETS
            assert line[view]["n"] == [3] * len(BUDGETS)
            for key, expected in (("mean", mean), ("low", mean - half), ("high", mean + half)):
                assert line[view][key] == pytest.approx(expected.tolist(), abs=6e-7)


def test_what_is_said_of_a_point_is_what_the_tables_print(root: Path) -> None:
    printed = (root / "tables" / "accuracy.md").read_text().replace("*", "")
    for line in data_of((root / "index.html").read_text())["lines"]:
        (row,) = re.findall(rf"^\| {line['name']} .*$", printed, flags=re.MULTILINE)
        cells = [cell.split("±")[0].strip() for cell in row.split("|")[2:-1]]
        assert [text.split(" %")[0] for text in line["accuracy"]["text"]] == cells
        assert all(re.fullmatch(r"[\d.]+ % \[[\d.]+, [\d.]+\], n = 3", text) for text in line["accuracy"]["text"])
        assert all(re.fullmatch(r"[+−].* points \[[+−].*, [+−].*\], n = 3", text) for text in line["gain"]["text"])


def test_the_summary_is_the_tables(root: Path) -> None:
    page = (root / "index.html").read_text()
    table = pd.read_csv(root / "tables" / "summary.csv")
    summary = data_of(page)["summary"]
    assert list(summary) == list(table)
    for column in table.select_dtypes("number"):
        shown = pd.Series(summary[column], dtype="float64")
        pd.testing.assert_series_equal(shown, table[column].astype("float64"), atol=6e-7, rtol=0, check_names=False)
    for line in (root / "tables" / "summary.md").read_text().splitlines()[2:5]:
        cells = [cell.strip() for cell in line.strip("|").replace("*", "").replace("\\", "").split("|")]
        plain = " ".join(re.sub(r"<[^>]+>", " ", page).replace("*", "").split())
        assert " ".join(cells) in unescape(plain)


def test_one_seed_has_no_interval_and_random_alone_no_difference(tmp_path: Path) -> None:
    alone = page_of(write_grid(tmp_path / "e", ["random"], seeds=1, budgets=[500]))
    (line,) = data_of(alone)["lines"]
    assert line["accuracy"]["low"] == [None]
    assert re.fullmatch(r"[\d.]+ %, n = 1", line["accuracy"]["text"][0])
    assert 'value="gain"' not in alone
    assert 'value="gain"' in page_of(write_grid(tmp_path / "two", ["random", "margin"], seeds=1))


def test_an_uneven_ladder_has_a_logarithmic_axis(tmp_path: Path) -> None:
    logarithmic = [
        data_of(page_of(write_grid(tmp_path / str(max(budgets)), ["random"], budgets=budgets)))["log"]
        for budgets in ([10, 20, 30], [10, 20, 100], [5000])
    ]
    assert logarithmic == [False, True, False]


def test_the_page_stands_alone_and_its_links_lead_somewhere(root: Path) -> None:
    page = (root / "index.html").read_text()
    elements = Elements(page)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\((?!#)", page)
    assert elements.attributes("src")
    for source in elements.attributes("src") + elements.attributes("srcset"):
        assert (root / source).is_file()
    links = [link for link in elements.attributes("href") if not link.startswith(("#", "data:,"))]
    assert all((root / unquote(link)).is_file() for link in links)
    lines = {path.relative_to(root).as_posix() for path in root.glob("runs/*/*.jsonl")}
    files = {"curves.csv", "tables/summary.tex", "tables/strategies.bib", "figures/accuracy.pdf", "../index.html"}
    assert lines | files <= {unquote(link) for link in links}


def test_the_policy_admits_the_pages_own_script_and_style_alone(root: Path) -> None:
    page = (root / "index.html").read_text()
    (policy,) = (text for text in Elements(page).attributes("content") if "default-src" in text)
    assert policy.startswith("default-src 'none'; img-src data: 'self'; script-src 'sha256-")
    for kind in ("script", "style"):
        (own,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, flags=re.DOTALL)
        assert f"{kind}-src 'sha256-{base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()}'" in policy
    assert not Elements(page).attributes("style")


def test_it_can_be_used_without_a_mouse_and_read_aloud(root: Path) -> None:
    page = (root / "index.html").read_text()
    found = Elements(page).found
    for header in re.findall(r"<thead><tr>(.*?)</tr></thead>", page):
        assert re.fullmatch(r'(<th scope="col"[^>]*><button type="button">[^<]+</button></th>)+', header)
    assert len([a for tag, a in found if tag == "input" and a["type"] == "checkbox"]) == 3
    (chart,) = (a for tag, a in found if tag == "svg" and a.get("id") == "curves")
    assert (chart["tabindex"], chart["aria-labelledby"]) == ("0", "over")
    assert {"over", "how", "tip", "status", "theme", "main"} <= set(Elements(page).attributes("id"))
    assert ("html", {"lang": "en"}) in found


def test_the_page_says_where_its_numbers_come_from(root: Path) -> None:
    page = (root / "index.html").read_text()
    said = ("f" * 64, "0123456789abcdef" * 4, "0–2", "cpu (X)", "torch 2.15.0", "abcdef0", "--protocol mnist")
    assert [text for text in said if text not in page] == []


def test_hostile_names_are_text(tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "e", description="<b onclick=alert(4)>bold</b>", notes="<i>lean</i>")
    for strategy in ["random", *HOSTILE]:
        for seed in range(2):
            write_run(root, strategy, seed, device=HOSTILE[0], commit=HOSTILE[2], strategy_source_sha256="0" * 64)
    write_report(root)
    for file in (root / "index.html", tmp_path / "index.html"):
        page = file.read_text()
        elements = Elements(page)
        assert [tag for tag, _ in elements.found].count("script") == 2
        assert all(a["src"] is None or a["src"].startswith("figures/") for tag, a in elements.found if tag == "img")
        assert not {"iframe", "object", "link"} & {tag for tag, a in elements.found if a.get("rel") != "icon"}
        assert not [key for _, attributes in elements.found for key in attributes if key.startswith("on")]
        assert page.count("<script") == page.count("</script") == 2
    page = (root / "index.html").read_text()
    assert {line["strategy"] for line in data_of(page)["lines"]} == {"random", *HOSTILE}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a&amp;lt;b$c" in page
    assert "<p>&lt;i&gt;lean&lt;/i&gt;</p>" in page


def test_ten_thousand_lines_stay_below_a_megabyte(tmp_path: Path) -> None:
    strategies = ["random", *(f"typiclust[clusters=500,neighbours={n}]" for n in range(55))]
    root = write_grid(tmp_path / "e", strategies, seeds=6, budgets=list(range(20, 601, 20)))
    assert len(strategies) * 6 * 30 > 10_000
    assert len(page_of(root).encode()) < 1_000_000


def test_a_column_with_a_cell_that_wraps_is_aligned_as_words() -> None:
    rows = [
        [Cell("margin"), Cell("93.2"), Cell("better")],
        [Cell("bald"), Cell("87.7"), Cell("worse early, better at the last label count")],
    ]
    markup = sortable(["strategy", "area", "verdict"], rows, [0], "Summary")
    assert re.findall(r'<th scope="col"( class="text")?>', markup) == [' class="text"', "", ' class="text"']
    assert '<td class="text short">better</td>' in markup
    assert '<td class="text long">worse early' in markup
    assert '<td class="short">93.2</td>' in markup
