"""The paper's Tables 2, 3 and 4, of any results."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chargepoint_model.conformance.model import Finding, Part, Scenario, Verdict
from chargepoint_model.conformance.paper import STEVE, positive

Results = Mapping[tuple[str, Scenario], bool]
"""Whether a case of the paper was passed, by action and scenario."""


class Rates(NamedTuple):
    """Shares of cases that failed, 0 to 1."""

    by_action: dict[str, float]
    """Table 2's last column."""
    by_scenario: dict[str, float]
    """Table 3."""
    by_class: dict[str, float]
    """Table 4: positive and negative; no fields are a positive scenario for Heartbeat alone."""
    overall: float
    """Table 2's last line."""


def rates(results: Results) -> Rates:
    """The failure rates of results, 1 or more."""
    keys = list(results)
    return Rates(
        by_action=_rates((action, results[action, scenario]) for action, scenario in keys),
        by_scenario=_rates(
            (scenario.value, results[action, scenario])
            for action, scenario in sorted(keys, key=lambda key: list(Scenario).index(key[1]))
        ),
        by_class=_rates(
            ("positive" if positive(action, scenario) else "negative", results[action, scenario])
            for action, scenario in keys
        ),
        overall=_rates(("all", passed) for passed in results.values())["all"],
    )


def _rates(results: Iterable[tuple[str, bool]]) -> dict[str, float]:
    total: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for name, passed in results:
        total[name] += 1
        failed[name] += not passed
    return {name: failed[name] / total[name] for name in total}


class Columns(NamedTuple):
    """The paper's cases, three times."""

    published: Results
    """SteVe's, in the paper."""
    semantic: Results
    literal: Results


def columns(findings: Iterable[Finding]) -> Columns | None:
    """The columns of the tables; None if the paper's cases were not run to their end."""
    semantic, literal = {}, {}
    for finding in findings:
        if finding.part is Part.PAPER and finding.scenario is not None:
            key = finding.subject, finding.scenario
            semantic[key] = finding.semantic is Verdict.PASS
            literal[key] = finding.literal is Verdict.PASS
    if semantic.keys() != STEVE.keys():
        return None
    return Columns(STEVE, semantic, literal)


class Tally(NamedTuple):
    """How many findings of a part passed, failed and were skipped, and how many codes were other ones."""

    passed: int
    failed: int
    skipped: int
    other_codes: int


def tallies(findings: Iterable[Finding]) -> dict[Part, Tally]:
    """By part, in the order of the run."""
    found = list(findings)
    return {
        part: Tally(
            passed=sum(one.part is part and one.semantic is Verdict.PASS for one in found),
            failed=sum(one.part is part and one.semantic is Verdict.FAIL for one in found),
            skipped=sum(one.part is part and one.semantic is Verdict.SKIP for one in found),
            other_codes=sum(one.part is part and one.code is Verdict.FAIL for one in found),
        )
        for part in Part
        if any(one.part is part for one in found)
    }
