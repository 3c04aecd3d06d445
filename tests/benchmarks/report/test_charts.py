import re
from typing import Literal
from xml.etree import ElementTree as ET

import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.text import Text

from benchmarks.model import Chart, Series
from benchmarks.report.charts import DOTS_AS_PICTURE, draw, png, svg
from tests.benchmarks.report.example import AUTHORIZE

KINDS: tuple[Literal["line", "bar", "stacked", "scatter"], ...] = ("line", "bar", "stacked", "scatter")
LOAD = AUTHORIZE.charts[0]


def axes(chart: Chart) -> Axes:
    return draw(chart).axes[0]


def chart(*series: Series, kind: Literal["line", "bar", "stacked", "scatter"] = "line", **more: bool) -> Chart:
    return Chart("example", "An example", "x", "y", series, kind=kind, **more)


def test_a_picture_is_a_png() -> None:
    assert png(LOAD).startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_is_xml_and_always_the_same(kind: Literal["line", "bar", "stacked", "scatter"]) -> None:
    drawn = chart(
        Series("one", (1.0, 2.0), (1.0, 2.0), (0.5, 1.5), (1.5, 3.0)), Series("two", (1.0,), (2.0,)), kind=kind
    )
    first = svg(drawn)
    assert ET.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
    assert svg(drawn) == first
    assert not re.search(r"<dc:date>|20\d\d-\d\d-\d\d", first)


def test_lines_have_their_values_error_bars_and_scales() -> None:
    drawn = axes(LOAD)
    assert (drawn.get_xscale(), drawn.get_yscale()) == ("log", "log")
    first, second = drawn.containers
    assert list(first[0].get_xdata()) == [100, 200, 400]
    assert list(first[0].get_ydata()) == [1.5, 2.0, 30.0]
    (bars,) = first[2]
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx(pair) for pair in ([1.2, 1.9], [1.9, 2.4], [20, 50])]
    assert second[2] == ()


def test_one_end_of_an_error_bar_is_enough_and_none_points_inward() -> None:
    drawn = axes(chart(Series("up", (1.0, 2.0), (5.0, 5.0), high=(6.0, 4.0))))
    (bars,) = drawn.containers[0][2]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[5, 6], [5, 5]]
    down = axes(chart(Series("down", (1.0,), (5.0,), low=(3.0,)), kind="bar")).containers[0]
    assert isinstance(down, ErrorbarContainer)
    (bars,) = down[2]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[3, 5]]


def test_a_title_is_taken_by_its_letters() -> None:
    words = [text.get_text() for text in draw(LOAD).findobj(Text)]
    assert {LOAD.title, LOAD.x_label, LOAD.y_label} <= set(words)
    assert "Oblique" not in svg(LOAD)  # as a formula would be


def test_bars_stand_beside_each_other_over_their_words() -> None:
    one = Series("one", ("a", "b"), (1.0, 2.0))
    two = Series("two", ("b", "c"), (3.0, 4.0))
    drawn = axes(chart(one, two, kind="bar"))
    assert [label.get_text() for label in drawn.get_xticklabels()] == ["a", "b", "c"]
    centres = [[bar.get_x() + bar.get_width() / 2 for bar in group] for group in drawn.containers]
    assert centres == [pytest.approx([-0.2, 0.8]), pytest.approx([1.2, 2.2])]


def test_a_stack_grows_by_each_series() -> None:
    one = Series("one", (1, 10), (1.0, 2.0))
    two = Series("two", (10, 100), (3.0, 4.0))
    three = Series("three", (10,), (5.0,))
    drawn = axes(chart(one, two, three, kind="stacked"))
    assert [label.get_text() for label in drawn.get_xticklabels()] == ["1", "10", "100"]
    tops = [[bar.get_y() + bar.get_height() for bar in group] for group in drawn.containers]
    assert tops == [[1, 2], [5, 4], [10]]


def test_many_dots_are_a_picture_inside_the_drawing() -> None:
    few, many = (
        chart(Series("run", range(count), [1.0] * count), kind="scatter")
        for count in (DOTS_AS_PICTURE - 1, DOTS_AS_PICTURE)
    )
    assert "data:image/png" not in svg(few)
    assert "data:image/png" in svg(many)
    assert svg(many) == svg(many)


def test_a_linear_axis_starts_at_zero_unless_something_lies_below() -> None:
    assert axes(chart(Series("one", (1, 2), (10.0, 11.0)))).get_ylim()[0] == 0
    assert axes(chart(Series("one", (1, 2), (10.0, -1.0)))).get_ylim()[0] < -1
    assert axes(chart(Series("one", (1, 2), (10.0, 11.0), low=(-3.0, 10.0)))).get_ylim()[0] < -3


def test_a_line_over_words() -> None:
    drawn = axes(chart(Series("one", ("5 ms", "20 ms"), (1.0, 2.0)), log_x=True))
    assert drawn.get_xscale() == "linear"
    assert [label.get_text() for label in drawn.get_xticklabels()] == ["5 ms", "20 ms"]


def test_long_words_are_turned() -> None:
    words = [f"scenario {number}, with a warm peer link" for number in range(4)]
    drawn = axes(chart(Series("one", words, (1.0, 2.0, 3.0, 4.0)), kind="bar"))
    assert {label.get_rotation() for label in drawn.get_xticklabels()} == {25}


def test_one_series_needs_no_legend() -> None:
    assert draw(chart(Series("one", (1,), (1.0,)))).legends == []
    (legend,) = draw(LOAD).legends
    assert [text.get_text() for text in legend.get_texts()] == ["cascade", "bare"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("series", [(), (Series("empty", (), ()),), (Series("zero", (0,), (0.0,)),)])
def test_a_chart_of_nothing_is_drawn(
    kind: Literal["line", "bar", "stacked", "scatter"], series: tuple[Series, ...], *, logarithmic: bool
) -> None:
    assert svg(chart(*series, kind=kind, log_x=logarithmic, log_y=logarithmic))


def test_zeros_have_no_logarithm() -> None:
    drawn = axes(chart(Series("lost", (0, 0), (0.0, 0.0)), log_x=True, log_y=True))
    assert (drawn.get_xscale(), drawn.get_yscale()) == ("linear", "linear")


def test_plain_numbers_stand_on_logarithmic_axes() -> None:
    figure = draw(chart(Series("one", (1, 1000), (0.01, 5000.0)), log_x=True, log_y=True))
    figure.canvas.draw()
    x, y = (
        [label.get_text() for label in axis.get_ticklabels()]
        for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis)
    )
    assert {"1", "10", "100", "1,000"} <= set(x)
    assert {"0.01", "0.1", "1", "10", "100", "1,000"} <= set(y)
