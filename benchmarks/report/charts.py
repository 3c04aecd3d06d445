"""Charts as PNG and SVG. The same chart makes the same bytes: no dates, no random ids.

Figures are drawn without pyplot: no state outlives a chart, and no display is needed.
"""

import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, assert_never

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.model import Chart, Series
from benchmarks.report.numbers import plain

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6a3d9a", "#666666")
"""After Okabe and Ito: told apart by colour-blind readers, and in print."""

MARKERS = "osD^vP*X"
MARKED = 20
"""Up to so many points of a line are marked."""
DOTS_AS_PICTURE = 2000
"""So many dots and more are a picture inside the SVG: as shapes they would be megabytes."""
PNG_DPI = 150
WIDTH = 88
"""Of a line of text over or under the chart, in characters."""

STYLE: dict[Any, Any] = {  # matplotlib types its keys as a literal of them all
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.parse_math": False,  # a dollar sign is a dollar sign
}


def svg(chart: Chart) -> str:
    """The chart as an SVG document."""
    # what is written draws its ids from the salt, its date would be that of the run
    metadata = {"Title": chart.title, "Date": None, "Creator": None}
    return _written(chart, format="svg", metadata=metadata).decode()


def png(chart: Chart) -> bytes:
    """The chart as a PNG picture."""
    return _written(chart, format="png", dpi=PNG_DPI, metadata={"Software": None})


def _written(chart: Chart, **how: Any) -> bytes:  # noqa: ANN401 - matplotlib's own keywords
    with mpl.rc_context({**STYLE, "svg.hashsalt": chart.name}):
        written = io.BytesIO()
        draw(chart).savefig(written, **how)
        return written.getvalue()


def draw(chart: Chart) -> Figure:
    """The chart as a figure."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(textwrap.fill(chart.title, WIDTH))
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    words = _words(chart)
    match chart.kind:
        case "line" | "scatter":
            _points(axes, chart, words)
        case "bar":
            _bars(axes, chart, words)
        case "stacked":
            _stack(axes, chart, words)
        case _:
            assert_never(chart.kind)
    _label_x(axes, chart, words)
    _label_y(axes, chart)
    if len(chart.series) > 1:
        longest = max(len(series.label) for series in chart.series)
        columns = max(WIDTH // (longest + 6), 1)
        figure.legend(loc="outside lower left", ncols=columns, markerscale=4 if chart.kind == "scatter" else 1)
    return figure


# --- what is drawn ----------------------------------------------------------------------------------------


def _points(axes: Axes, chart: Chart, words: Sequence[str]) -> None:
    for series, colour, marker in _dressed(chart):
        places = _places(series, words)
        if chart.kind == "scatter":
            dots = axes.plot(places, series.y, ".", color=colour, markersize=3, alpha=0.6, label=series.label)
            dots[0].set_rasterized(len(places) >= DOTS_AS_PICTURE)
        else:
            lines = axes.errorbar(
                places, series.y, _whiskers(series), color=colour, capsize=3, label=series.label
            )
            lines.lines[0].set(marker=marker if len(places) <= MARKED else "", markersize=4)


def _bars(axes: Axes, chart: Chart, words: Sequence[str]) -> None:
    width = 0.8 / max(len(chart.series), 1)
    for index, (series, colour, _) in enumerate(_dressed(chart)):
        beside = (index - (len(chart.series) - 1) / 2) * width
        places = [place + beside for place in _places(series, words)]
        axes.bar(
            places, series.y, width * 0.92, yerr=_whiskers(series), capsize=3, color=colour, label=series.label
        )


def _stack(axes: Axes, chart: Chart, words: Sequence[str]) -> None:
    tops = dict.fromkeys(range(len(words)), 0.0)
    for series, colour, _ in _dressed(chart):
        places = [int(place) for place in _places(series, words)]
        axes.bar(
            places, series.y, 0.6, bottom=[tops[place] for place in places], color=colour, label=series.label
        )
        for place, height in zip(places, series.y, strict=True):
            tops[place] += height


def _dressed(chart: Chart) -> Iterator[tuple[Series, str, str]]:
    """Each series, its colour and its marker; no two lines look alike before both have gone round."""
    for index, series in enumerate(chart.series):
        yield series, COLOURS[index % len(COLOURS)], MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]


def _whiskers(series: Series) -> list[list[float]] | None:
    """The lengths of the error bars, down and up."""
    if series.low is None and series.high is None:
        return None
    low = series.y if series.low is None else series.low
    high = series.y if series.high is None else series.high
    down = [max(y - end, 0.0) for y, end in zip(series.y, low, strict=True)]
    up = [max(end - y, 0.0) for y, end in zip(series.y, high, strict=True)]
    return [down, up]


# --- the axes ---------------------------------------------------------------------------------------------


def _words(chart: Chart) -> list[str]:
    """What stands along an x axis of words, in the order of appearance; nothing if it is a scale of numbers."""
    xs = [x for series in chart.series for x in series.x]
    if chart.kind in {"line", "scatter"} and not any(isinstance(x, str) for x in xs):
        return []
    return list(dict.fromkeys(map(_word, xs)))


def _word(x: float | str) -> str:
    return x if isinstance(x, str) else plain(x)


def _places(series: Series, words: Sequence[str]) -> list[float]:
    return [words.index(_word(x)) if words else float(x) for x in series.x]


def _label_x(axes: Axes, chart: Chart, words: Sequence[str]) -> None:
    if words:
        axes.set_xticks(range(len(words)), words)
        if sum(len(word) + 3 for word in words) > WIDTH:
            for label in axes.get_xticklabels():
                label.set(rotation=25, ha="right", rotation_mode="anchor")
        axes.grid(visible=False, axis="x")
    elif chart.log_x and _has_logarithm(x for series in chart.series for x in series.x):
        axes.set_xscale("log")
        _log_ticks(axes.xaxis)
    else:
        axes.xaxis.set_major_formatter(_ticks())


def _label_y(axes: Axes, chart: Chart) -> None:
    if chart.log_y and _has_logarithm(y for series in chart.series for y in series.y):
        axes.set_yscale("log")
        _log_ticks(axes.yaxis)
        return
    axes.yaxis.set_major_formatter(_ticks())
    lows = (series.y if series.low is None else series.low for series in chart.series)
    if all(y >= 0 for low in lows for y in low):
        axes.set_ylim(bottom=0)  # a cut axis makes small differences look large


def _has_logarithm(values: Iterable[float | str]) -> bool:
    """Whether there is anything that a logarithmic axis could show; an axis of zeros stays linear."""
    return any(float(value) > 0 for value in values)


def _ticks() -> FuncFormatter:
    return FuncFormatter(lambda value, _: plain(value))


def _log_ticks(axis: Axis) -> None:
    """Plain numbers, with 2 and 5 between the powers of ten where there is room for them."""
    low, high = axis.get_view_interval()
    few = low > 0 and high / low <= 1000
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=20))
    axis.set_major_formatter(_ticks())
    axis.set_minor_formatter(NullFormatter())
