"""The results page works in a browser: by keyboard, in dark and light, on a phone."""

from __future__ import annotations

import importlib.util
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.report_lines import data_of, write_experiment, write_grid, write_run

from benchmark.reports import write_report
from benchmark.results.records import DatasetRecord


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_grid(tmp_path_factory.mktemp("results") / "mnist", ["random", "margin", "entropy"])
    write_report(root)
    return root


@pytest.fixture(scope="module")
def browser(root: Path) -> Iterator[Any]:
    if importlib.util.find_spec("selenium") is None:
        pytest.skip("a browser's test needs selenium")
    programs = [shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")]
    if None in programs:
        pytest.skip("a browser's test needs Chromium and chromedriver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1100,1600"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    driver.get((root / "index.html").as_uri())
    yield driver
    driver.quit()


def rows_of(browser: Any) -> list[str]:
    return [cell.text for cell in browser.find_element("tag name", "table").find_elements("css selector", "tbody th")]


def test_a_table_is_sorted_by_keyboard(browser: Any, root: Path) -> None:
    order = pd.read_csv(root / "tables" / "summary.csv")["strategy"].tolist()
    buttons = browser.find_element("tag name", "table").find_elements("css selector", "thead button")
    button, gain = (next(b for b in buttons if b.text.startswith(text)) for text in ("area", "vs."))
    head = button.find_element("xpath", "..")
    button.send_keys("\ue007")  # Enter
    assert (head.get_attribute("aria-sort"), rows_of(browser)) == ("descending", order)
    button.send_keys(" ")
    assert (head.get_attribute("aria-sort"), rows_of(browser)) == ("ascending", order[::-1])
    gain.send_keys(" ")
    gain.send_keys(" ")
    assert rows_of(browser) == ["entropy", "margin", "random"]  # – last, whichever way
    assert head.get_attribute("aria-sort") is None


def test_strategies_are_switched_off_and_on(browser: Any) -> None:
    def drawn() -> set[str]:
        return {g.get_attribute("data-name") for g in browser.find_elements("css selector", "#curves g[data-name]")}

    assert drawn() == {"random", "margin", "entropy"}
    boxes = {
        label.text: label.find_element("tag name", "input")
        for label in browser.find_elements("css selector", ".legend label")
    }
    boxes["margin"].send_keys(" ")
    assert drawn() == {"random", "entropy"}
    boxes["margin"].send_keys(" ")
    assert drawn() == {"random", "margin", "entropy"}
    radios = browser.find_elements("css selector", "input[name=view]")
    radios[1].send_keys(" ")
    assert drawn() == {"margin", "entropy"}
    radios[0].send_keys(" ")


def test_dark_and_light(browser: Any) -> None:
    button = browser.find_element("id", "theme")
    seen = []
    for _ in range(2):
        button.send_keys("\ue007")
        brightness = int(re.findall(r"\d+", browser.find_element("tag name", "body").value_of_css_property("color"))[0])
        assert (button.get_attribute("aria-pressed") == "true") == (brightness > 128)
        seen.append(brightness)
    assert seen[0] != seen[1]


def test_values_are_read_off_the_chart(browser: Any, root: Path) -> None:
    from selenium.webdriver import ActionChains

    (margin,) = (line for line in data_of((root / "index.html").read_text())["lines"] if line["name"] == "margin")
    chart, tip = browser.find_element("id", "curves"), browser.find_element("id", "tip")
    drawn = browser.find_element("css selector", "g[data-name=margin] polyline.line").get_attribute("points")
    x, y = map(float, drawn.split()[2].split(","))
    size = chart.size
    hover = ActionChains(browser).move_to_element_with_offset(chart, x - size["width"] / 2, y - size["height"] / 2 - 2)
    hover.perform()
    assert tip.text == f"margin\n60 labels: {margin['accuracy']['text'][2]}"
    chart.send_keys("\ue014")  # the arrow to the right
    assert tip.text == f"margin\n80 labels: {margin['accuracy']['text'][3]}"
    chart.send_keys("\ue00c")  # Escape
    assert tip.text == ""


def test_a_phone_shows_it_whole_and_nothing_jumps(browser: Any) -> None:
    phone = {"width": 380, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.refresh()
    assert browser.execute_script("return document.documentElement.scrollWidth") == 380
    shifts = browser.execute_async_script(
        "const done = arguments[0]; let sum = 0;"
        "new PerformanceObserver((list) => list.getEntries().forEach((e) => { sum += e.value; }))"
        ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(sum), 300);"
    )
    assert shifts == 0
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [360, 420, 1400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_fit_their_window_and_their_figures_are_seen(browser: Any, root: Path, width: int, theme: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    emulated = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
    browser.get((root.parent / "index.html").as_uri())
    browser.execute_script("localStorage.clear()")  # what the button has chosen before
    browser.refresh()
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    for table in browser.find_elements("css selector", "table.cards"):
        assert table.rect["x"] >= 0
        assert table.rect["x"] + table.rect["width"] <= width
    browser.find_element("css selector", "table.cards a").click()  # to the experiment
    assert browser.find_element("tag name", "h1").text == "mnist"
    browser.execute_script("for (const image of document.images) image.loading = 'eager'")
    loaded = "return [...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    for _ in range(100):
        if browser.execute_script(loaded):
            break
        time.sleep(0.05)
    images = browser.find_elements("css selector", "figure img")
    assert len(images) > 3
    assert browser.execute_script(loaded)
    assert all(image.rect["width"] <= width for image in images)
    shown = {Path(image.get_property("currentSrc")).name for image in images}
    assert ("accuracy-single.png" in shown) == (width < 500)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    dark = browser.execute_script("return getComputedStyle(document.querySelector('figure img')).filter")
    assert (dark != "none") == (theme == "dark")
    browser.find_element("link text", "All experiments").click()
    assert browser.current_url == (root.parent / "index.html").as_uri()
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize("width", [360, 900, 1030, 1085])
def test_the_overview_of_long_names_is_not_cut(browser: Any, long_names: Path, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get((long_names / "index.html").as_uri())
    places = browser.find_elements("css selector", ".scroll:has(.cards)")
    assert len(places) == 4
    for place in places:
        assert place.get_property("scrollWidth") <= place.get_property("clientWidth"), place.accessible_name
    words = [cell.text for cell in browser.find_elements("css selector", "[data-title='data set']")]
    assert all(word.split() == ["cifar10", "as", "embeddings"] for word in words)  # broken at spaces alone
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture(scope="module")
def long_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experiments, strategies and devices with names as long as published ones."""
    results = tmp_path_factory.mktemp("long")
    data = DatasetRecord("cifar10", "1" * 64, "", "1" * 64, None)
    for number, name in enumerate(("cifar10-embeddings-label-noise", "replay-cifar10-embeddings-2000-by-network")):
        root = write_experiment(results / name, [1000, 10000], embedding="efficientnet-lite0[size=96,pca=256]")
        for seed in range(3):
            device = "cpu (Intel(R) Xeon(R) Processor)" if seed else "cpu (AMD EPYC)"
            for strategy in ("random", "learning-loss[batcher=agglomerative]"):
                shift = 0.1 * number * (strategy != "random")
                write_run(root, strategy, seed, [1000, 10000], shift=shift - 0.3, device=device, dataset=data)
        write_report(root)
    return results


def test_a_table_shows_that_there_is_more_to_the_right(browser: Any, long_names: Path) -> None:
    size = {"width": 700, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get((long_names / "cifar10-embeddings-label-noise" / "index.html").as_uri())
    place = browser.find_element("css selector", ".scroll[aria-label=Summary]")
    fades = "return getComputedStyle(arguments[0]).maskImage !== 'none'"

    def becomes(expected: bool) -> bool:
        for _ in range(100):
            if browser.execute_script(fades, place) == expected:
                return True
            time.sleep(0.05)
        return False

    assert becomes(True)
    browser.execute_script("arguments[0].scrollLeft = arguments[0].scrollWidth", place)
    assert becomes(False)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | {"width": 1400})
    browser.execute_script("arguments[0].scrollLeft = 0", place)
    assert becomes(False)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_on_the_page_of_two_experiments_is_clicked(browser: Any, tmp_path: Path) -> None:
    for name in ("mnist", "digits"):
        write_report(write_grid(tmp_path / name, ["random", "margin", "entropy"], dataset=name))
    overview = (tmp_path / "index.html").as_uri()
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(overview)
    tables = browser.find_elements("tag name", "table")
    assert len(tables) > 2  # what to use, all experiments, and what is said across them
    for table in tables:
        count = len(table.find_elements("css selector", "tbody tr"))
        for button in table.find_elements("css selector", "thead button"):
            button.click()
            assert button.find_element("xpath", "..").get_attribute("aria-sort") in ("ascending", "descending")
            assert len(table.find_elements("css selector", "tbody tr")) == count
    links = {link.get_attribute("href") for link in browser.find_elements("css selector", "main a, section a, table a")}
    assert links >= {(tmp_path / name / "index.html").as_uri() for name in ("mnist", "digits")}
    for link in links:
        browser.get(link)
        assert browser.find_element("tag name", "h1").text in ("mnist", "digits")
    assert browser.get_log("browser") == []
