"""The rows of the table of targets in words, the same on a terminal, on the page and in the README. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from benchmarks.model import Findings, Target
from benchmarks.report.numbers import NOTHING, number, plain, spread

Verdict = Literal["holds", "falls short", "-"]

HEADINGS = ("what", "measured", "spread", "target", "verdict")
FIGURES = frozenset(HEADINGS[1:4])
"""The columns that are set to the right."""


class Row(NamedTuple):
    """One target as it is shown."""

    name: str
    measured: str
    spread: str
    target: str
    verdict: Verdict
    remark: str
    experiment: str


def rows(findings: Sequence[Findings]) -> Iterator[Row]:
    """All targets, in the order of the experiments."""
    for found in findings:
        for target in found.targets:
            yield _row(target, found.experiment)


def _row(target: Target, experiment: str) -> Row:
    measured = target.measured
    return Row(
        name=target.name,
        measured="not measured" if measured is None else number(measured.median),
        spread=NOTHING if measured is None else spread(measured),
        target=NOTHING if target.bound is None else f"{'≤' if target.at_most else '≥'} {plain(target.bound)}",
        verdict=verdict(target),
        remark=target.remark,
        experiment=experiment,
    )


def verdict(target: Target) -> Verdict:
    """Whether a target is met; "-" where there is nothing to meet, or nothing measured."""
    if target.holds is None:
        return "-"
    return "holds" if target.holds else "falls short"


def summary(findings: Sequence[Findings]) -> str:
    """The table in one sentence."""
    targets = [target for found in findings for target in found.targets]
    bounded = [target for target in targets if target.bound is not None]
    met = sum(target.holds is True for target in bounded)
    missing = sum(target.measured is None for target in bounded)
    not_measured = f", {missing} not measured" if missing else ""
    without = len(targets) - len(bounded)
    return f"{met} of {len(bounded)} targets hold{not_measured}; {without} figures without a target."


def conditions(environment: Mapping[str, object]) -> str:
    """Where it was measured and how noisy the machine was, in one sentence."""
    known = {name: str(value) for name, value in environment.items() if value is not None}
    wordings = {"cpu": "{}", "cores_usable": "{} cores", "python": "{}", "kernel": "kernel {}", "date": "{}"}
    said = [wording.format(known[name]) for name, wording in wordings.items() if name in known]
    stalls = environment.get("stalls")
    if isinstance(stalls, dict):
        said.append(
            f"a busy loop lost {stalls['lost_share']:.1%} of its time in gaps of more than 1 ms, "
            f"the longest {number(float(stalls['longest_ms']))} ms"
        )
    return "; ".join(said)
