"""The page of a report in a browser: nothing overflows, nothing is fetched, tables sort and filter, folds open."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from neurohw.archive import ARCHIVE
from neurohw.report.accuracy.data import accuracy_data
from neurohw.report.energy.account import energy_data
from neurohw.report.page.html_table import number_in
from neurohw.report.page.write import write_report
from neurohw.report.points import group_records
from neurohw.runs.collection import find_records

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait

REPORTS = Path(__file__).parents[1] / "reports"
WIDEST = ["demo", "close_the_gap", "target_sensitivity/semi_supervised", "deep_stdp/tiny_imagenet",
          "close_the_gap/choice", "lifetime"]  # fmt: skip
LONG_NAMES = "deep_stdp/crossbar_pcm"
PHONE, DESK = (390, 844), (1400, 900)
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

in_browser = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium, or no chromedriver")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.binary_location = str(BROWSER)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the page of a committed report, written anew, once."""
    made: dict[str, Path] = {}

    def written(name: str) -> Path:
        if name not in made:
            made[name] = write_report(find_records([REPORTS / name / ARCHIVE]), tmp_path_factory.mktemp("page"))
        return made[name]

    return written


def shown(browser: Any, path: Path, size: tuple[int, int] = DESK) -> None:
    """Open a page in a window of a size, logs emptied before."""
    for log in ("browser", "performance"):
        browser.get_log(log)
    device = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    browser.get(path.as_uri())
    drawn = "return document.documentElement.dataset.drawn || !document.querySelector('figure')"
    WebDriverWait(browser, 60).until(lambda b: b.execute_script(drawn))


def requested(browser: Any) -> set[str]:
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}


def column(browser: Any, table: int, of: int) -> list[str]:
    """Return the texts of a table's visible cells in one column."""
    return browser.execute_script(
        "return [...document.querySelectorAll('table')[arguments[0]].tBodies[0].rows]"
        ".filter((row) => !row.hidden).map((row) => row.cells[arguments[1]].textContent)", table, of,
    )  # fmt: skip


def table_of(browser: Any, first: str) -> int:
    """Return which table has this heading in its second column."""
    found: int = browser.execute_script(
        "return [...document.querySelectorAll('table')].findIndex((t) =>"
        " t.tHead.rows[0].cells[1].textContent === arguments[0])", first,
    )  # fmt: skip
    assert found >= 0
    return found


def sort(browser: Any, table: int, of: int) -> None:
    browser.execute_script(
        "document.querySelectorAll('table')[arguments[0]].tHead.rows[0].cells[arguments[1]]"
        ".querySelector('button').click()", table, of,
    )  # fmt: skip


@in_browser
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", WIDEST)
def test_nothing_overflows_is_fetched_or_fails(
    browser: Any, page: Callable[[str], Path], name: str, size: tuple[int, int]
) -> None:
    shown(browser, page(name), size)
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    beyond = browser.execute_script(
        "return [...document.querySelectorAll('main *')].filter((e) => !e.closest('.wide') && !e.closest('svg')"
        " && e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    assert requested(browser) == {page(name).as_uri()}
    assert browser.get_log("browser") == []


@in_browser
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_more_than_forty_records_take_less_than_four_screens(
    browser: Any, page: Callable[[str], Path], size: tuple[int, int]
) -> None:
    assert len(find_records([REPORTS / "hardware_gap" / ARCHIVE])) > 40
    shown(browser, page("hardware_gap"), size)
    assert browser.execute_script("return document.documentElement.scrollHeight") < 4 * size[1]


@in_browser
def test_the_question_and_the_answer_stand_on_the_first_screen(browser: Any, page: Callable[[str], Path]) -> None:
    shown(browser, page("demo"), PHONE)
    answer = browser.find_element("css selector", ".answer")
    assert "What do the devices cost BP and EP" in answer.text
    assert "ecram 8.2 ± 1.0 points" in answer.text
    assert "BP · reram_es and EP · reram_es do not learn" in answer.text
    assert answer.rect["y"] + answer.rect["height"] < PHONE[1]


@in_browser
def test_columns_sort_up_down_and_back(browser: Any, page: Callable[[str], Path]) -> None:
    shown(browser, page("demo"))
    table = table_of(browser, "Accuracy, %")
    before = column(browser, table, 1)
    values = [float(text.partition(" ")[0]) for text in before]
    for wanted in (sorted(values), sorted(values, reverse=True), values):
        sort(browser, table, 1)
        assert [float(text.partition(" ")[0]) for text in column(browser, table, 1)] == wanted
    sort(browser, table, 2)
    gaps = column(browser, table, 2)
    assert gaps[-2:] == ["reference"] * 2  # no numbers come last
    sort(browser, table, 2)
    assert column(browser, table, 2)[-2:] == ["reference"] * 2
    assert column(browser, table, 2)[:-2] == gaps[-3::-1]


@in_browser
def test_energies_of_several_prefixes_sort_by_joules(browser: Any, page: Callable[[str], Path]) -> None:
    shown(browser, page("demo"))
    accounts = energy_data(group_records(find_records([REPORTS / "demo"])))
    joules = {e.point.label: e.total.nominal for e in accounts}
    heading = "Whole run"
    table = browser.execute_script(
        "return [...document.querySelectorAll('table')].findIndex((t) =>"
        " [...t.tHead.rows[0].cells].some((c) => c.textContent === arguments[0]))", heading,
    )  # fmt: skip
    sort(browser, table, 5)
    labels = column(browser, table, 0)
    assert [joules[label] for label in labels] == sorted(joules.values())
    assert len({text.split(" ")[1] for text in column(browser, table, 5)}) > 1  # of more than one prefix


@in_browser
def test_rows_are_filtered_by_all_words(browser: Any, page: Callable[[str], Path]) -> None:
    shown(browser, page("demo"))
    table = table_of(browser, "Accuracy, %")
    tools = browser.execute_script(
        "return document.querySelectorAll('table')[arguments[0]].parentElement.previousElementSibling", table
    )
    field = tools.find_element("css selector", "input")
    field.send_keys("EP ecram")
    assert column(browser, table, 0) == ["EP · ecram"]
    assert tools.find_element("css selector", "output").text == "1 of 10 rows"
    sort(browser, table, 1)
    field.clear()
    field.send_keys(" ")
    assert len(column(browser, table, 0)) == 10


@in_browser
def test_a_hash_leads_to_its_configuration_in_a_closed_fold(browser: Any, page: Callable[[str], Path]) -> None:
    shown(browser, page("demo"))
    link = browser.find_element("css selector", "td a")
    link.click()
    target = browser.find_element("id", link.get_attribute("href").partition("#")[2])
    assert target.is_displayed()
    opened = "return [...document.querySelectorAll('details[open]:not(.figures-fold)')].length"
    assert browser.execute_script(opened) == 2
    assert "neurohw run" in target.find_element("xpath", "..").text


@in_browser
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_every_figure_is_drawn_as_wide_as_its_place(
    browser: Any, page: Callable[[str], Path], size: tuple[int, int]
) -> None:
    shown(browser, page("demo"), size)
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    figures = browser.execute_script(
        "return [...document.querySelectorAll('figure.chart')].map((f) => {"
        " const svg = f.querySelector('svg'), box = svg.getBoundingClientRect();"
        " const texts = [...svg.querySelectorAll('text')].map((t) => t.getBoundingClientRect());"
        " return [f.dataset.name, box.width, f.getBoundingClientRect().width,"
        "  svg.querySelectorAll('.mark-symbol path, .mark-rect path, .mark-line path').length,"
        "  Math.max(...texts.map((t) => t.right)) - box.right, box.left - Math.min(...texts.map((t) => t.left))] })"
    )
    names = ["accuracy", "pareto", "curves", "energy_curves", "energy-component", "energy-phase", "conductances"]
    assert [name for name, *_ in figures] == names
    for name, width, room, marks, right, left in figures:
        assert room - 4 <= width <= room + 1, name
        assert marks > 8, name
        assert right < 2, f"{name}: a text is cut off at the right"
        assert left < 2, f"{name}: a text is cut off at the left"


@in_browser
def test_the_pointer_is_told_the_point_and_a_click_leads_to_it(browser: Any, page: Callable[[str], Path]) -> None:
    shown(browser, page("demo"))
    marks = "figure[data-name=accuracy] .mark-symbol a path, figure[data-name=accuracy] .mark-symbol path"
    mark = next(
        m for m in browser.find_elements("css selector", marks) if "EP · ecram" in m.get_attribute("aria-label")
    )
    webdriver.ActionChains(browser).move_to_element(mark).pause(0.2).perform()
    told, points = (
        browser.find_element("id", "vg-tooltip-element").text,
        group_records(find_records([REPORTS / "demo"])),
    )
    assert "EP · ecram" in told
    (table,) = (table for table in accuracy_data(points) if table.metric.name == "direct_accuracy")
    (row,) = (row for row in table.rows if row.point.label == "EP · ecram")
    assert row.gap is not None
    assert f"{100 * row.spread.mean:.2f} ± {100 * row.spread.std:.2f} %" in told
    assert f"−{-row.gap.points:.2f}" in told
    webdriver.ActionChains(browser).click(mark).pause(0.3).perform()
    assert browser.current_url.endswith(f"#{row.point.anchor}")
    assert browser.find_element("id", row.point.anchor).is_displayed()


@in_browser
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_long_names_in_a_legend_are_read_whole(
    browser: Any, page: Callable[[str], Path], size: tuple[int, int]
) -> None:
    """Beside each other, the end of the second name lay beyond the figure."""
    shown(browser, page(LONG_NAMES), size)
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    cut = browser.execute_script(
        "return [...document.querySelectorAll('figure .role-legend-label text')].filter((t) =>"
        " t.getBoundingClientRect().right > t.closest('svg').getBoundingClientRect().right + 1)"
        ".map((t) => t.textContent)"
    )
    assert cut == []


@in_browser
def test_a_click_in_the_legend_chooses(browser: Any, page: Callable[[str], Path]) -> None:
    shown(browser, page("demo"))
    lines = (
        "return [...document.querySelectorAll('figure[data-name=curves] .mark-line.role-mark path')]"
        ".map((p) => Number(getComputedStyle(p).opacity))"
    )
    assert set(browser.execute_script(lines)) == {1}
    labels = browser.find_elements("css selector", "figure[data-name=curves] .role-legend-label text")
    webdriver.ActionChains(browser).click(next(t for t in labels if t.text == "ecram")).pause(0.3).perform()
    opacities = browser.execute_script(lines)
    assert (opacities.count(1), len(opacities)) == (2, 10)  # of BP and of EP


@in_browser
def test_a_menu_shows_another_metric(browser: Any, page: Callable[[str], Path]) -> None:
    shown(browser, page("full_length"))
    labels = (
        "return [...document.querySelectorAll('figure[data-name=accuracy] .mark-symbol path')]"
        ".map((p) => p.getAttribute('aria-label'))"
    )
    before = browser.execute_script(labels)
    menu = browser.find_element("css selector", "figure[data-name=accuracy] select")
    options = [option.text for option in menu.find_elements("css selector", "option")]
    menu.send_keys(options[1])
    WebDriverWait(browser, 10).until(lambda b: b.execute_script(labels) != before)


@in_browser
def test_a_figure_is_saved_with_plain_colours(browser: Any, page: Callable[[str], Path]) -> None:
    shown(browser, page("demo"))
    browser.execute_script(
        "URL.createObjectURL = (blob) => { blob.text().then((text) => { window.kept = text; }); return 'data:,'; };"
        "HTMLAnchorElement.prototype.click = function () { window.keptAs = this.download; };"
        "document.querySelector('figure[data-name=pareto] .save').click()"
    )
    svg = WebDriverWait(browser, 10).until(lambda b: b.execute_script("return window.kept"))
    assert browser.execute_script("return window.keptAs") == "pareto.svg"
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert "var(" not in svg
    assert "Energy of training, J" in "".join(root.itertext())


@in_browser
def test_on_paper_all_folds_are_open_and_dark_is_light(browser: Any, page: Callable[[str], Path]) -> None:
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    shown(browser, page("demo"))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": dark})
    paper = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(paper) == "rgb(20, 24, 29)"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": dark})
    assert browser.execute_script(paper) == "rgb(255, 255, 255)"
    heights = "return [...document.querySelectorAll('details table')].map((t) => t.getBoundingClientRect().height)"
    assert min(browser.execute_script(heights)) > 20
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("90.09 ± 0.60", 90.09), ("−1.17 ± 0.45 †", -1.17), ("3 of 3", 3), ("180,000", 180_000),
        ("1.2 uJ (0.9 to 2) ‡", 1.2e-6), ("1.06 mm2 (1 to 2)", 1.06e-6), ("4.03e12 (1e12 to 5e12)", 4.03e12),
        ("> 100 nA", 1e-7), ("35.2 %", 35.2), ("12 epochs", 12),
        ("2dd19012e677", None), ("0, 1", None), ("W1 3 %", None), ("–", None), ("3e12abc", None), ("not known", None),
    ],
)  # fmt: skip
def test_the_number_that_a_cell_is_sorted_by(cell: str, number: float | None) -> None:
    assert number_in(cell) == (None if number is None else pytest.approx(number))


@in_browser
def test_weights_are_drawn_orange_and_blue(browser: Any, tmp_path: Path) -> None:
    from tests.test_report_looks import with_looks

    shown(browser, write_report([with_looks(0)], tmp_path), PHONE)
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    drawn = browser.execute_script(
        "const c = document.querySelector('canvas');"
        " const all = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " const at = (x, y) => [...all.slice(4 * (y * c.width + x), 4 * (y * c.width + x) + 4)];"
        " return [at(0, 0), at(7, 4), at(2, 0), c.getBoundingClientRect().right]"
    )
    assert drawn[0] == [0, 114, 178, 254]  # the most negative weight
    assert drawn[1][0] > drawn[1][2]  # a positive one
    assert drawn[2][3] == 0  # between images
    assert drawn[3] <= PHONE[0]
    assert browser.get_log("browser") == []
