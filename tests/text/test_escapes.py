"""Escapes: what a reader of each format finds is the text, and nothing in it is taken for the format's own signs."""

import csv
import html.parser
import io
import re
import shutil
import subprocess
import warnings

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.text import escapes

SIGNS = (
    *("=", "+", "-", "@", "\t", "\r", "\n", ",", ";", '"', "'", "`", "```", "$", "$$", "\\", "\\$", "_", "^", "{", "}"),
    *("&", "&amp;", "&#60;", "<", ">", "<!--", "-->", "</script>", "<b onclick='x'>", "|", "*", "**", "#", "~", "%"),
    *(
        "![a](http://b)",
        "[c](d)",
        "https://",
        "www.",
        "a@b.c",
        "1.",
        "1)",
        "--",
        "---",
        "===",
        " ",
        "\x1b[31m",
        "\u202e",
    ),
    *("\x00", "\x07", "\ud800", "\udcff", "机器", "🦀", "é", "±", "−", "–", "α", "[bold]", ":bug:", "x", "0", "1e5"),
)
texts = st.one_of(st.lists(st.sampled_from(SIGNS), max_size=8).map("".join), st.text(max_size=60))


@given(texts)
def test_visible_text_has_nothing_hidden(text: str) -> None:
    assert escapes.visible(text).isprintable()
    assert escapes.one_line(text).isprintable()
    assert escapes.visible(text, keep="\n").replace("\n", "").isprintable()
    if text.isprintable():
        assert escapes.visible(text) == text


@given(st.lists(texts, min_size=1, max_size=5), st.lists(st.floats(allow_nan=False), min_size=5, max_size=5))
def test_a_csv_file_reads_back_without_formulas(names: list[str], numbers: list[float]) -> None:
    table = pd.DataFrame({"name": names, "value": numbers[: len(names)]})
    written = escapes.csv_table(table)
    written.encode()
    found = list(csv.reader(io.StringIO(written)))
    assert found[0] == ["name", "value"]
    assert len(found) == len(names) + 1 == len(written.splitlines())
    for (cell, number), name, value in zip(found[1:], names, numbers, strict=False):
        assert cell.removeprefix("'") == escapes.visible(name).removeprefix("'")
        assert float(number) == value
        assert not re.match(r"\s*[=@]|[+-](?![0-9.]|inf$)", cell)
    assert table["name"].tolist() == names


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("\t=1", "'\\t=1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("-2+3", "'-2+3"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("-inf", "-inf"),
        ("badge", "badge"),
        ("−0.5", "−0.5"),
    ],
)
def test_formulas_in_cells_of_words_get_an_apostrophe(cell: str, written: str) -> None:
    assert escapes.csv(cell) == written


@given(texts)
def test_latex_holds_no_sign_that_is_not_escaped(text: str) -> None:
    found = escapes.latex(text)
    assert "\n" not in found
    left = re.sub(r"\\[{}$&#_%]|\\[a-zS]+\{\}|\{[\[\]*]\}|\$\\[a-z]+\$|\$-\$|\$\^\\d?dagger\$|[-',]\{\}", "", found)
    assert not re.search(r"[\\{}$&#_%~^<>|\"`*\[\]](?<!``)(?<!`)", left), left
    assert re.fullmatch(r"[\x20-\x7e\u00c0-\u017f]*", left)


@given(texts)
def test_bibtex_fields_have_balanced_braces_and_comments_no_entry(text: str) -> None:
    depth = 0
    for sign in escapes.bibtex(text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    comment = escapes.bibtex_comment(text)
    assert comment.isprintable()
    assert "@" not in comment


@given(texts)
def test_markdown_signs_are_all_escaped(text: str) -> None:
    found = escapes.markdown(text)
    assert "\n" not in found
    plain = re.sub(r"\\([\\`*_\[\]<>|~#$&:.)=+-])", "§", found)
    assert not re.search(r"[`*_\[\]<>|~#$]|&[#A-Za-z]|://|www\.", plain)
    assert not re.match(r"([-+]|\d+[.)])( |$)|=+$|--+$", found)
    assert re.sub(r"\\([\\`*_\[\]<>|~#$&:.)=+-])", r"\1", found) == escapes.one_line(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b", r"a \| b"),
        ("<img src=x>", r"\<img src=x\>"),
        ("AT&T &lt; x", r"AT\&T \&lt; x"),
        ("see https://evil", r"see https\://evil"),
        ("www.evil", r"www\.evil"),
        ("_www.evil", r"\_www\.evil"),
        ("- item", r"\- item"),
        ("2. item", r"2\. item"),
        ("2.5 % of a-b", "2.5 % of a-b"),
        ("---", r"\---"),
        ("Yoo & Kweon", "Yoo & Kweon"),
    ],
)
def test_markdown_by_example(text: str, shown: str) -> None:
    assert escapes.markdown(text) == shown


@given(st.lists(texts.map(escapes.one_line), min_size=1, max_size=3))
def test_a_fence_is_closed_by_nothing_in_it(lines: list[str]) -> None:
    first, *inside, last = escapes.markdown_fence(lines, "bibtex")
    assert inside == lines
    assert first == last + "bibtex"
    assert re.fullmatch("`{3,}", last)
    assert all(last not in line for line in lines)


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(texts)
def test_html_gives_the_text_back_in_elements_and_attributes(text: str) -> None:
    reader = _Reader()
    reader.feed(f'<p title="{escapes.html(text)}">{escapes.html(text)}</p>')
    reader.close()
    shown = escapes.visible(text, keep="\n")
    assert reader.tags == [("p", [("title", shown)])]
    assert reader.text == shown
    escapes.html(text).encode()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_shell_word_is_one_argument_and_one_line() -> None:
    for text in (
        *(sign for sign in SIGNS if "\0" not in sign and not re.search("[\ud800-\udfff]", sign)),
        "",
        "a\n```\nb'",
    ):
        word = escapes.shell(text)
        assert "\n" not in word
        done = subprocess.run(["bash", "-c", f"printf '%s.' {word}"], capture_output=True, check=True)
        assert done.stdout.decode() == text + "."


@given(texts)
def test_a_figure_draws_only_what_its_font_has(text: str) -> None:
    shown = escapes.figure(text)
    assert all(ord(c) in escapes._glyphs() or c == "\n" for c in shown)
    if text.isascii() and text.isprintable():
        assert shown == text


def test_figure_text_is_drawn_without_a_warning_or_mathematics() -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from benchmark.reports.rendering.figures import style

    with mpl.rc_context(style.RC), warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing = Figure()
        for sign in (*SIGNS, "$\\frac{$", "a$b$c", "$x^{2$"):
            drawing.text(0, 0, style.drawn(sign))
        style.png(drawing)
        assert drawing.texts[-2].get_text() == "a$b$c"
