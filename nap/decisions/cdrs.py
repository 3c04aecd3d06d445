"""Cdr and CdrBatch: whether a CDR is taken into custody.

1. The same cdrId with the same body gets the same receipt for ever; with another body it is rejected.
2. An operator sends its own CDRs only, and for tokens that belong to somebody else.
3. What cannot be true, energy or time running backwards, is rejected: nobody could bill it.
4. A CDR whose authorization the hub does not know is taken, and marked: the home operator decides.
5. A credit goes to whom the CDR went that it cancels, whosever the token is by now.
"""

from datetime import datetime
from typing import NamedTuple

from cascade.roaming.cdrs import UNKNOWN_ORIGINAL, Cdr, digest_of, objection_to_credit
from nap.decisions.outcome import Answer, Refuse
from nap.records import CdrFacts, StoredCdr


def intake(
    visited: str, cdr: Cdr, body: str, facts: CdrFacts, now: datetime
) -> Answer[StoredCdr | None] | Refuse:
    """Decide on a CDR from `visited`; an answer of None means that it is in custody already.

    Args:
        visited: the operator whose link it came over.
        cdr: the CDR.
        body: its JSON text, as it is to be kept.
        facts: what the hub knows about it.
        now: the time of receipt.
    """
    if cdr.operator_id != visited:
        return Refuse("OperatorMismatch", "operatorId is not the operator of this link")
    digest = digest_of(body)
    if facts.known_digest == digest:
        return Answer(None)
    if facts.known_digest is not None:
        return Refuse("CdrConflict", "this cdrId was received with another body: a CDR never changes")
    bound_for = _credited(cdr, facts) if cdr.credit_reference_id is not None else _billed(visited, cdr, facts)
    if isinstance(bound_for, Refuse):
        return bound_for
    return Answer(
        StoredCdr(
            cdr=cdr,
            body=body,
            digest=digest,
            visited=visited,
            home=bound_for.home,
            received_at=now,
            authorized=bound_for.authorized,
        )
    )


class _BoundFor(NamedTuple):
    home: str
    authorized: bool


def _billed(visited: str, cdr: Cdr, facts: CdrFacts) -> _BoundFor | Refuse:
    if facts.home is None:
        return Refuse("UnknownToken", "idTag belongs to no operator of this hub")
    if facts.home == visited:
        return Refuse("OwnToken", "idTag is your own: there is nobody else to bill")
    if cdr.home_operator_id not in {None, facts.home}:
        return Refuse("HomeMismatch", "homeOperatorId is not the operator that idTag belongs to")
    if not cdr.is_plausible:
        return Refuse(
            "ImplausibleCdr", "time or energy runs backwards, or the energy is more than any session takes"
        )
    return _BoundFor(facts.home, facts.authorized)


def _credited(credit: Cdr, facts: CdrFacts) -> _BoundFor | Refuse:
    original = facts.original
    if original is None:
        return Refuse(*UNKNOWN_ORIGINAL)
    objection = objection_to_credit(credit, original.cdr, facts.cancelled_by)
    return _BoundFor(original.home, original.authorized) if objection is None else Refuse(*objection)
