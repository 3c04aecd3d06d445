"""From what was sent and answered to findings, and which of them say no more than that a profile is missing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from chargepoint_model.conformance import verdicts
from chargepoint_model.conformance.answers import shown
from chargepoint_model.conformance.model import Answer, Case, Closed, Error, Finding, Verdict

SHOWN = 300
"""Characters of a message that a report shows."""

UNKNOWN = frozenset({"NotImplemented", "NotSupported"})


class Taken(NamedTuple):
    """A case, and how it went."""

    case: Case
    sent: str
    answers: Sequence[Answer]
    aftermath: str
    """What was wrong with the connection afterwards, if anything."""


def finding(taken: Taken) -> Finding:
    """What became of a case."""
    case, answers = taken.case, taken.answers
    semantic, code, why = verdicts.judge(case, answers)
    if taken.aftermath:
        semantic, why = Verdict.FAIL, "; ".join(part for part in (why, taken.aftermath) if part)
    elif semantic is Verdict.PASS and any(isinstance(answer, Closed) for answer in answers):
        why = "the connection was closed, and could be opened again"
    return Finding(
        part=case.part,
        subject=case.subject,
        name=case.name,
        scenario=case.scenario,
        semantic=semantic,
        literal=verdicts.literal(case, answers),
        code=code,
        why=why,
        sent=shortened(taken.sent),
        came=shortened("; ".join(map(shown, answers)) or "nothing"),
        expected=verdicts.expected(case.expects),
    )


def findings(taken: Sequence[Taken], profiles: Mapping[str, Collection[str]]) -> list[Finding]:
    """What became of all cases; those of a profile of which no message is supported are skipped.

    Args:
        taken: the cases.
        profiles: the messages of each optional profile.
    """
    skipped = {
        action: profile
        for profile, actions in profiles.items()
        if _unsupported(taken, actions)
        for action in actions
    }
    return [
        replace(
            finding(one),
            semantic=Verdict.SKIP,
            code=None,
            why=f"the profile {skipped[one.case.subject]} is not supported",
        )
        if one.case.subject in skipped
        else finding(one)
        for one in taken
    ]


def _unsupported(taken: Iterable[Taken], actions: Collection[str]) -> bool:
    answers = [
        one.answers[0] if one.answers else None
        for one in taken
        if one.case.subject in actions and one.case.name == "complete fields"
    ]
    return bool(answers) and all(isinstance(answer, Error) and answer.code in UNKNOWN for answer in answers)


def shortened(text: str) -> str:
    """A text that a report has room for."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
