"""A run as a JSON document and as JUnit XML; both stay as they are from version to version."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from chargepoint_model.conformance.model import Finding, Verdict
from chargepoint_model.conformance.scoring import Rates, Results, columns, rates, tallies

VERSION = 1


def document(findings: Sequence[Finding], target: str, at: str, ended: str) -> dict[str, Any]:
    """The JSON document.

    Args:
        findings: of all cases, in the order of the run.
        target: what was examined.
        at: when, as OCPP writes a moment.
        ended: why the run ended early; empty if it did not.
    """
    paper = columns(findings)
    return {
        "version": VERSION,
        "target": target,
        "at": at,
        "endedEarly": ended or None,
        "summary": {part.value: _tally(tally._asdict()) for part, tally in tallies(findings).items()},
        "paper": None
        if paper is None
        else {name: _column(results) for name, results in paper._asdict().items()},
        "cases": [asdict(finding) for finding in findings],
    }


def _tally(tally: dict[str, int]) -> dict[str, int]:
    return {"otherCodes" if name == "other_codes" else name: count for name, count in tally.items()}


def _column(results: Results) -> dict[str, Any]:
    computed: Rates = rates(results)
    return {
        "passed": sum(results.values()),
        "cases": len(results),
        "failureRate": computed.overall,
        "byMessage": computed.by_action,
        "byScenario": computed.by_scenario,
        "byClass": computed.by_class,
    }


def junit(findings: Sequence[Finding], target: str) -> bytes:
    """JUnit XML: a test suite for each part; failures are those of the semantic verdict."""
    suites = Element("testsuites", name=_printable(f"chargepoint conformance {target}"))
    for part, group in groupby(findings, lambda finding: finding.part):
        members = list(group)
        suite = SubElement(
            suites,
            "testsuite",
            name=part.value,
            tests=str(len(members)),
            failures=str(sum(one.semantic is Verdict.FAIL for one in members)),
            skipped=str(sum(one.semantic is Verdict.SKIP for one in members)),
        )
        for one in members:
            _test_case(suite, one)
    indent(suites)
    xml: bytes = tostring(suites, encoding="utf-8", xml_declaration=True)
    return xml


def _test_case(suite: Element, finding: Finding) -> None:
    case = SubElement(
        suite, "testcase", classname=f"{finding.part}.{finding.subject}", name=_printable(finding.name)
    )
    match finding.semantic:
        case Verdict.FAIL:
            failure = SubElement(case, "failure", message=_printable(finding.why))
            failure.text = _printable(
                f"sent:     {finding.sent}\ncame:     {finding.came}\nexpected: {finding.expected}"
            )
        case Verdict.SKIP:
            SubElement(case, "skipped", message=_printable(finding.why))
        case Verdict.PASS:
            pass


def _printable(text: str) -> str:
    """A text without what XML 1.0 cannot hold: a peer may have sent anything."""
    return "".join(character if character.isprintable() or character in "\n\t" else "�" for character in text)
