"""Cdr: whether a CDR is taken into custody.

1. The same cdrId with the same body gets the same receipt for ever; with another body it is rejected.
2. An operator sends its own CDRs only, and for tokens that belong to somebody else.
3. What cannot be true, energy or time running backwards, is rejected: nobody could bill it.
4. A CDR whose authorization the hub does not know is taken, and marked: the home operator decides.
"""

from datetime import datetime

from cascade.roaming.cdrs import Cdr
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
    digest = cdr.digest()
    if cdr.operator_id != visited:
        return Refuse("OperatorMismatch", "operatorId is not the operator of this link")
    if facts.known_digest == digest:
        return Answer(None)
    if facts.known_digest is not None:
        return Refuse("CdrConflict", "this cdrId was received with another body: a CDR never changes")
    if facts.home is None:
        return Refuse("UnknownToken", "idTag belongs to no operator of this hub")
    objection = _objection(visited, cdr, facts.home)
    if objection is not None:
        return objection
    return Answer(
        StoredCdr(
            cdr=cdr,
            body=body,
            digest=digest,
            visited=visited,
            home=facts.home,
            received_at=now,
            authorized=facts.authorized,
        )
    )


def _objection(visited: str, cdr: Cdr, home: str) -> Refuse | None:
    if home == visited:
        return Refuse("OwnToken", "idTag is your own: there is nobody else to bill")
    if cdr.home_operator_id not in {None, home}:
        return Refuse("HomeMismatch", "homeOperatorId is not the operator that idTag belongs to")
    if cdr.meter_stop < cdr.meter_start or cdr.session_end < cdr.session_start:
        return Refuse("ImplausibleCdr", "meterStop or sessionEnd lies before the start of the session")
    return None
