"""What is done to a store in these tests, with the decisions that the hub would take."""

from collections.abc import Callable, Sequence
from datetime import datetime

from cascade.errors import RoamingRefused
from cascade.roaming.cdrs import Cdr
from cascade.roaming.tokens import PublishTokens, Token, TokensPublished
from nap.decisions import cdrs, endpoints, tokens
from nap.decisions.endpoints import PrefixFacts, PrefixGrant
from nap.decisions.outcome import Refuse
from nap.records import CdrFacts, Mode, Publication, PublicationFacts, StoredCdr
from nap.store.port import Store
from tests.nap.actors import ALL_MODES, NOW, SECRET_HASH, operator


async def enter(store: Store, *operator_ids: str, consents: Sequence[Mode] = ALL_MODES) -> None:
    for operator_id in operator_ids:
        entered = operator(operator_id, consents=consents)
        await store.operators.add((entered, SECRET_HASH), now=NOW)


async def publish(
    store: Store,
    operator_id: str,
    *published: Token,
    full: bool = True,
    base_version: int = 0,
    more: bool = False,
) -> TokensPublished:
    message = PublishTokens(full=full, base_version=base_version, more=more, tokens=published)

    def decide(facts: PublicationFacts) -> Publication:
        outcome = tokens.publish(operator_id, message, facts)
        if isinstance(outcome, Refuse):
            raise RoamingRefused(outcome.code, outcome.detail)
        return outcome.value

    return await store.tokens.publish(operator_id, message, decide)


async def claim(
    store: Store, operator_id: str, *prefixes: str, url: str | None = "wss://x.example/roam"
) -> PrefixGrant:
    def decide(taken: dict[str, str], foreign: frozenset[str]) -> PrefixGrant:
        return endpoints.grant_prefixes(operator_id, prefixes, PrefixFacts(taken, foreign))

    return await store.endpoints.publish(operator_id, url, prefixes, decide, _accepted)


def _accepted(grant: PrefixGrant) -> Sequence[str]:
    return grant.accepted


async def take(
    store: Store, message: Cdr, *, now: datetime = NOW, see: Callable[[CdrFacts], None] = lambda _: None
) -> StoredCdr:
    (outcome,) = await take_all(store, message, now=now, see=see)
    if isinstance(outcome, RoamingRefused):
        raise outcome
    return outcome


async def take_all(
    store: Store, *messages: Cdr, now: datetime = NOW, see: Callable[[CdrFacts], None] = lambda _: None
) -> list[StoredCdr | RoamingRefused]:
    """Those of one operator."""
    visited = messages[0].operator_id

    def decide(message: Cdr, facts: CdrFacts) -> StoredCdr | None:
        see(facts)
        outcome = cdrs.intake(visited, message, message.wire(), facts, now)
        if isinstance(outcome, Refuse):
            raise RoamingRefused(outcome.code, outcome.detail)
        return outcome.value

    return await store.cdrs.take(visited, messages, decide, now)
