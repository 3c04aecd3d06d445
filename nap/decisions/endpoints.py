"""PublishEndpoint and LookupEndpoint: who gets which prefix, and who may be referred to whom (scenario 3).

1. A prefix that overlaps another operator's, or under which another operator has tokens, is rejected.
2. A referral needs the visited operator's wish, the home operator's consent and its endpoint. Whatever is
   missing, the refusal is the same, so that it tells nothing about the token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cascade.roaming.endpoints import RejectedPrefix
from cascade.roaming.model import id_key
from nap.decisions.outcome import Answer, Refuse
from nap.records import Endpoint, Mode, Operator

NO_REFERRAL = Refuse(
    "NoReferral", "there is no operator that the hub may refer you to for this idTag: try another mode"
)


@dataclass(frozen=True, slots=True)
class PrefixFacts:
    """What published prefixes are judged by."""

    taken: Mapping[str, str]
    """Every registered prefix, by its key, and whose it is."""
    foreign_tokens: frozenset[str]
    """The keys of published prefixes under which other operators have tokens."""


@dataclass(frozen=True, slots=True)
class PrefixGrant:
    """The prefixes that an operator has from now on."""

    accepted: tuple[str, ...]
    rejected: tuple[RejectedPrefix, ...]


def grant_prefixes(operator_id: str, prefixes: Sequence[str], facts: PrefixFacts) -> PrefixGrant:
    """Decide which of the published prefixes `operator_id` gets."""
    accepted: dict[str, str] = {}
    rejected: list[RejectedPrefix] = []
    for prefix in prefixes:
        key = id_key(prefix)
        overlaps = any(
            owner != operator_id and (key.startswith(other) or other.startswith(key))
            for other, owner in facts.taken.items()
        )
        if overlaps:
            rejected.append(_rejected(prefix, "PrefixTaken", "it overlaps a prefix of another operator"))
        elif key in facts.foreign_tokens:
            rejected.append(_rejected(prefix, "TokensTaken", "other operators have tokens that begin with it"))
        else:
            accepted[key] = prefix
    return PrefixGrant(tuple(accepted.values()), tuple(rejected))


def _rejected(prefix: str, code: str, detail: str) -> RejectedPrefix:
    return RejectedPrefix(id_tag_prefix=prefix, code=code, detail=detail)


@dataclass(frozen=True, slots=True)
class ReferralFacts:
    """What an endpoint look-up is judged by."""

    visited: Operator
    home: Operator | None
    endpoint: Endpoint | None


@dataclass(frozen=True, slots=True)
class ReferralGrant:
    """The visited operator may ask this operator directly."""

    home: str
    endpoint: Endpoint


def refer(facts: ReferralFacts) -> Answer[ReferralGrant] | Refuse:
    """Decide on a look-up."""
    if Mode.PEER not in facts.visited.wants:
        return Refuse("NotAgreed", "peer is not among the modes of your agreement: ask the hub's operator")
    home = facts.home
    if (
        home is None
        or facts.endpoint is None
        or not home.enabled
        or home.operator_id == facts.visited.operator_id
        or Mode.PEER not in home.consents
    ):
        return NO_REFERRAL
    return Answer(ReferralGrant(home.operator_id, facts.endpoint))
