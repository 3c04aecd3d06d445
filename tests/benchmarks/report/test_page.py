from html import escape
from html.parser import HTMLParser

import pytest

from benchmarks.report.charts import svg
from benchmarks.report.page import inline, page
from benchmarks.report.targets import rows
from tests.benchmarks.report.example import COMMAND, ENVIRONMENT, FINDINGS

VOID = {"meta", "br", "!doctype"}


class Reader(HTMLParser):
    """Everything on a page: its open elements must close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def html() -> str:
    drawn = {(found.experiment, chart.name): svg(chart) for found in FINDINGS for chart in found.charts}
    return page(FINDINGS, ENVIRONMENT, COMMAND, drawn)


@pytest.fixture(scope="module")
def reader(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def test_it_is_well_formed(reader: Reader) -> None:
    assert reader.open == []


def test_it_shows_every_target(reader: Reader) -> None:
    for row in rows(FINDINGS):
        assert {row.name, row.measured, row.spread, row.target, row.verdict} <= set(reader.text)
    classes = [attributes.get("class") for tag, attributes in reader.elements if tag == "td"]
    assert (classes.count("holds"), classes.count("falls-short")) == (1, 1)


def test_everything_is_escaped(html: str, reader: Reader) -> None:
    for text in (COMMAND, FINDINGS[0].about, "a <stall>", "6.1 <rc>", "Latency <ms>", *FINDINGS[0].notes):
        assert any(text in data for data in reader.text)
        assert escape(text) in html
        assert text not in html
    assert not {tag for tag, _ in reader.elements} & {"b", "stall", "rc", "ms", "marked", "done", "all"}
    assert 'aria-label="Latency &quot;p99&quot; against $load$ &lt;all&gt;"' in html


def test_the_order_is_a_sceptics(reader: Reader) -> None:
    headings = [
        text
        for text in reader.text
        if text in {"What was run, and where", "Targets", "authorize", "growth", "Latency <ms>", "Settings"}
    ]
    contents = ["What was run, and where", "Targets", "authorize", "growth"]
    assert headings == [*contents, *contents[:3], "Latency <ms>", "Settings", "growth"]


def test_every_link_leads_to_a_place_on_the_page_and_every_place_is_one(reader: Reader) -> None:
    places = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    links = [
        target
        for _, attributes in reader.elements
        for name, target in attributes.items()
        if name in {"href", "xlink:href"} and target is not None
    ]
    assert len(places) == len(set(places))
    assert {link.removeprefix("#") for link in links} <= set(places)
    assert all(link.startswith("#") for link in links)


def test_nothing_is_fetched_and_nothing_runs(reader: Reader) -> None:
    assert not {tag for tag, _ in reader.elements} & {"script", "link", "iframe", "img"}
    assert not any("src" in attributes for _, attributes in reader.elements)
    assert not any("@import" in text for text in reader.text)


def test_each_chart_is_inside(reader: Reader) -> None:
    assert [tag for tag, _ in reader.elements].count("svg") == len(FINDINGS[0].charts)


def test_settings_are_in_words(reader: Reader) -> None:
    for text in ("100, 200", "not known", "yes", "id abc, dirty no"):
        assert text in reader.text


def test_ids_are_told_apart_with_what_refers_to_them() -> None:
    drawing = '<?xml version="1.0"?>\n<svg id="a"><g id="b" clip-path="url(#a)"/><use xlink:href="#b"/></svg>\n'
    assert inline(drawing, "x-") == (
        '<svg id="x-a"><g id="x-b" clip-path="url(#x-a)"/><use xlink:href="#x-b"/></svg>\n'
    )
