"""The contract of `nap.store.port`, sentence by sentence; each adapter passes it."""

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cascade.errors import RoamingRefused
from cascade.roaming.cdrs import Authorization, Cdr
from cascade.roaming.ledgers import Period
from cascade.roaming.tokens import PublishTokens, Token, TokenStatus, WhitelistPage
from nap.records import (
    AuthorizationRecord,
    Backlog,
    CdrFacts,
    CdrOutcome,
    CdrState,
    Endpoint,
    HeldToken,
    LedgerRow,
    Mode,
    OperatorStanding,
    Publication,
    PublicationFacts,
    StoredCdr,
)
from nap.store.port import Store
from tests.nap.actors import NOW, SECRET_HASH, cdr, operator
from tests.nap.store.acts import claim, enter, publish, take, take_all

LATER = NOW + timedelta(minutes=1)


def token(id_tag: str, **fields: object) -> Token:
    return Token.model_validate({"id_tag": id_tag} | fields)


def visible(store: Store, visited: str) -> dict[str, Token]:
    """The whitelist as an operator sees it that asks for everything."""
    page = store.tokens.whitelist_page(visited, epoch=0, version=0, limit=500)
    assert not page.more
    return {change.id_tag: change for change in page.changes}


def since(store: Store, visited: str, version: int, limit: int = 500) -> WhitelistPage:
    epoch, _ = store.tokens.version()
    return store.tokens.whitelist_page(visited, epoch=epoch, version=version, limit=limit)


# --- operators ----------------------------------------------------------------------------------------------


def held(store: Store, home: str | None = None) -> int:
    """Tokens held and not deleted, of one operator or all."""
    standings = store.operators.standings()
    return sum(standing.tokens for standing in standings if home in {None, standing.operator.operator_id})


async def test_an_operator_that_was_added_is_there(store: Store) -> None:
    entered = operator("C1", consents=[Mode.HUB], wants=[Mode.REDIRECT, Mode.PEER])
    assert await store.operators.add((entered, "hash"), now=NOW) == []
    assert store.operators.get("C1") == entered
    assert store.operators.secret_hash("C1") == "hash"
    assert store.operators.standings() == [
        OperatorStanding(
            operator=entered,
            created_at=NOW,
            linked=False,
            link_changed_at=None,
            endpoint_url=None,
            id_tag_prefixes=(),
            tokens=0,
        )
    ]


async def test_an_id_that_is_taken_is_not_given_again(store: Store) -> None:
    await enter(store, "C1")
    other = operator("C1", consents=[])
    assert await store.operators.add((other, "other"), now=LATER) == ["C1"]
    assert store.operators.get("C1") == operator("C1")
    assert store.operators.secret_hash("C1") == SECRET_HASH


async def test_several_operators_are_added_together(store: Store) -> None:
    assert await store.operators.add((operator("C1"), "one"), (operator("C2"), "two"), now=NOW) == []
    assert [store.operators.secret_hash(added) for added in ("C1", "C2")] == ["one", "two"]


async def test_one_id_that_is_taken_keeps_all_out(store: Store) -> None:
    await enter(store, "C2", "C4")
    entered = [(operator(f"C{number}"), "hash") for number in range(1, 5)]
    assert await store.operators.add(*entered, now=NOW) == ["C2", "C4"]
    assert [standing.operator.operator_id for standing in store.operators.standings()] == ["C2", "C4"]


async def test_nobody_is_found_who_is_not_there(store: Store) -> None:
    assert store.operators.get("C1") is None
    assert store.operators.secret_hash("C1") is None
    assert store.operators.standings() == []
    assert not await store.operators.change("C1", enabled=False, consents=frozenset(), wants=())


async def test_only_what_is_given_is_changed(store: Store) -> None:
    await enter(store, "C1", "C2")
    assert await store.operators.change("C1", wants=())
    assert store.operators.get("C1") == operator("C1", wants=[])
    assert await store.operators.change("C1", consents=frozenset({Mode.HUB}))
    assert store.operators.get("C1") == operator("C1", consents=[Mode.HUB], wants=[])
    assert await store.operators.change("C1", secret_hash="new")
    assert store.operators.secret_hash("C1") == "new"
    assert await store.operators.change("C1", enabled=False)
    assert store.operators.get("C1") == operator("C1", consents=[Mode.HUB], wants=[], enabled=False)
    assert store.operators.get("C2") == operator("C2")


async def test_a_disabled_operator_has_no_credential_until_it_is_enabled(store: Store) -> None:
    await enter(store, "C1")
    await store.operators.change("C1", enabled=False)
    assert store.operators.secret_hash("C1") is None
    await store.operators.change("C1", enabled=True)
    assert store.operators.secret_hash("C1") == SECRET_HASH


async def test_standings_are_by_id_and_show_links_endpoints_and_tokens(store: Store) -> None:
    await enter(store, "C2", "C1")
    await store.operators.note_link("C2", linked=True, now=LATER)
    await claim(store, "C2", "zz", "AB")
    await publish(store, "C2", token("ZZ1"), token("ZZ2"), token("ZZ3", deleted=True))
    first, second = store.operators.standings()
    assert first.operator.operator_id == "C1"
    assert second == OperatorStanding(
        operator=operator("C2"),
        created_at=NOW,
        linked=True,
        link_changed_at=LATER,
        endpoint_url="wss://x.example/roam",
        id_tag_prefixes=("AB", "ZZ"),
        tokens=2,
    )


async def test_links_come_and_go_and_are_forgotten(store: Store) -> None:
    await enter(store, "C1")
    await store.operators.note_link("C1", linked=True, now=NOW)
    await store.operators.note_link("C1", linked=False, now=LATER)
    (standing,) = store.operators.standings()
    assert (standing.linked, standing.link_changed_at) == (False, LATER)
    await store.operators.note_link("C1", linked=True, now=LATER)
    await store.operators.forget_links()
    (standing,) = store.operators.standings()
    assert (standing.linked, standing.link_changed_at) == (False, LATER)


# --- tokens -------------------------------------------------------------------------------------------------


async def test_a_token_is_found_without_regard_to_case_as_it_was_published(store: Store) -> None:
    published = token("Ab1", status=TokenStatus.BLOCKED, expiry_date=LATER, parent_id_tag="FLEET")
    await enter(store, "C1")
    await publish(store, "C1", published)
    assert store.tokens.find("aB1") == HeldToken(published.standing, "C1")
    assert store.tokens.find("AB2") is None


async def test_a_deleted_token_is_found_as_deleted(store: Store) -> None:
    await enter(store, "C1")
    await publish(store, "C1", token("AB1"))
    await publish(store, "C1")
    assert store.tokens.find("AB1") == HeldToken(token("AB1", deleted=True).standing, "C1")


async def test_the_first_epoch_is_made_of_the_time_and_nothing_has_changed(store: Store) -> None:
    assert store.tokens.version() == (int(NOW.timestamp()), 0)


async def test_each_publication_gets_a_higher_version(store: Store) -> None:
    await enter(store, "C1", "C2")
    versions = [
        (await publish(store, "C1", token("AB1"))).version,
        (await publish(store, "C2", token("CD1"))).version,
        (await publish(store, "C1", token("AB1"))).version,
        (await publish(store, "C2")).version,
    ]
    assert versions == sorted(set(versions))
    assert store.tokens.version()[1] == versions[-1]


async def test_a_decision_sees_versions_owners_and_prefixes(store: Store) -> None:
    seen: list[PublicationFacts] = []
    await enter(store, "C1", "C2", "C3")
    await claim(store, "C3", "PQ")
    await claim(store, "C1", "PQ1")
    taken = await publish(store, "C1", token("AB1"), token("AB2"), token("AB3", deleted=True))

    async def look(operator_id: str) -> PublicationFacts:
        published = tuple(token(id_tag) for id_tag in ("ab1", "AB3", "pq2", "PQ"))
        message = PublishTokens(full=False, base_version=0, tokens=published)

        def decide(facts: PublicationFacts) -> Publication:
            seen.append(facts)
            return Publication((), (), starts_list=False, ends_list=False)

        await store.tokens.publish(operator_id, message, decide)
        return seen.pop()

    assert await look("C2") == PublicationFacts(0, {"AB1": "C1"}, {"PQ2": "C3", "PQ": "C3"})
    assert (await look("C1")).published_version == taken.version


async def test_the_longest_prefix_decides(store: Store) -> None:
    await enter(store, "C1")
    await claim(store, "C1", "PQ", "PQ1")
    assert store.endpoints.prefix_owner("pq1") == "C1"
    assert store.endpoints.prefix_owner("PQ") == "C1"
    assert store.endpoints.prefix_owner("P") is None
    assert store.endpoints.prefix_owner("QP1") is None


async def test_a_refused_publication_changes_nothing(store: Store) -> None:
    await enter(store, "C1")
    await publish(store, "C1", token("AB1"))
    version = store.tokens.version()
    with pytest.raises(RoamingRefused, match="VersionConflict"):
        await publish(store, "C1", token("AB2"), full=False, base_version=99)
    assert store.tokens.find("AB2") is None
    assert store.tokens.version() == version


async def test_a_delta_changes_only_what_it_names(store: Store) -> None:
    await enter(store, "C1")
    first = await publish(store, "C1", token("AB1"), token("AB2"))
    await publish(
        store, "C1", token("AB2", parent_id_tag="P"), token("AB3"), full=False, base_version=first.version
    )
    assert set(visible(store, "C2")) == {"AB1", "AB2", "AB3"}
    assert held(store, "C1") == 3


async def test_a_full_list_deletes_what_none_of_its_pages_has_named(store: Store) -> None:
    await enter(store, "C1", "C2")
    await publish(store, "C1", token("AB1"), token("AB2"), token("AB3"))
    await publish(store, "C2", token("CD1"))
    page = await publish(store, "C1", token("AB1"), more=True)
    assert held(store, "C1") == 3  # nothing goes before the list has ended
    await publish(store, "C1", token("AB4"), base_version=page.version)
    assert set(visible(store, "C3")) == {"AB1", "AB4", "CD1"}
    assert held(store) == 3
    assert held(store, "C1") == 2
    assert held(store, "nobody") == 0


async def test_what_is_rejected_is_answered_and_not_held(store: Store) -> None:
    await enter(store, "C1", "C2")
    await publish(store, "C1", token("AB1"))
    published = await publish(store, "C2", token("ab1"), token("CD1"))
    assert [(rejected.id_tag, rejected.code) for rejected in published.rejected] == [("ab1", "TokenTaken")]
    assert store.tokens.find("AB1") == HeldToken(token("AB1").standing, "C1")


async def test_of_two_publications_at_once_one_comes_after_the_other(store: Store) -> None:
    await enter(store, "C1")
    outcomes = await asyncio.gather(
        *(publish(store, "C1", token(f"AB{n}"), full=False, base_version=0) for n in range(5)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, RoamingRefused)]
    assert len(refused) == 4
    assert held(store, "C1") == 1


# --- the whitelist ------------------------------------------------------------------------------------------


async def test_the_whitelist_holds_the_tokens_of_others_whatever_their_state(store: Store) -> None:
    blocked = token("AB2", status=TokenStatus.BLOCKED, expiry_date=NOW, parent_id_tag="P")
    await enter(store, "C1", "C2")
    await publish(store, "C1", token("AB1"), blocked)
    await publish(store, "C2", token("CD1"))
    assert visible(store, "C2") == {"AB1": token("AB1"), "AB2": blocked}
    assert visible(store, "C1") == {"CD1": token("CD1")}


async def test_a_page_has_the_text_of_what_was_published(store: Store) -> None:
    await enter(store, "C1", "C2")
    listed = (
        token("ab1"),
        token("AB2", status=TokenStatus.BLOCKED, parent_id_tag='FLEET "1"'),
        token("AB3", expiry_date=NOW.replace(microsecond=120_000)),
    )
    first = await publish(store, "C1", *listed, token("AB4", parent_id_tag="FLEET"))
    gone = token("AB4", parent_id_tag="FLEET", deleted=True)
    await publish(store, "C1", gone, full=False, base_version=first.version)
    epoch, version = store.tokens.version()
    whole = WhitelistPage(epoch=epoch, version=version, more=False, changes=listed)
    assert store.tokens.whitelist_page("C2", epoch=0, version=0, limit=500).wire() == whole.wire()
    forgotten = Token(id_tag="AB4", deleted=True)
    change = WhitelistPage(epoch=epoch, version=version, more=False, changes=(forgotten,))
    assert since(store, "C2", first.version).wire() == change.wire()


async def test_pages_hold_changes_in_order_and_lead_to_the_version(store: Store) -> None:
    await enter(store, "C1")
    names = [f"AB{n}" for n in range(5)]
    published = await publish(store, "C1", *map(token, names))
    epoch, version = store.tokens.version()
    assert version == published.version
    first = store.tokens.whitelist_page("C2", epoch=0, version=0, limit=3)
    assert (first.epoch, first.more, [change.id_tag for change in first.changes]) == (epoch, True, names[:3])
    second = since(store, "C2", first.version, limit=3)
    assert (second.version, second.more) == (version, False)
    assert [change.id_tag for change in second.changes] == names[3:]
    assert since(store, "C2", version).changes == ()


async def test_an_unchanged_token_is_not_a_change(store: Store) -> None:
    await enter(store, "C1")
    first = await publish(store, "C1", token("AB1"))
    again = await publish(store, "C1", token("AB1"))
    page = since(store, "C2", first.version)
    assert (page.version, page.changes) == (again.version, ())


async def test_a_change_back_is_two_changes(store: Store) -> None:
    await enter(store, "C1")
    first = await publish(store, "C1", token("AB1"))
    await publish(store, "C1", token("AB1", parent_id_tag="P"))
    await publish(store, "C1", token("AB1"))
    assert since(store, "C2", first.version).changes == (token("AB1"),)


async def test_a_deletion_is_a_change_that_tells_the_id_and_no_more(store: Store) -> None:
    await enter(store, "C1")
    first = await publish(store, "C1", token("AB1", parent_id_tag="FLEET", expiry_date=LATER))
    await publish(store, "C1")
    assert since(store, "C2", first.version).changes == (token("AB1", deleted=True),)
    assert visible(store, "C2") == {}


async def test_tokens_without_consent_are_held_but_never_listed(store: Store) -> None:
    await enter(store, "C1", consents=[Mode.HUB])
    first = await publish(store, "C1", token("AB1"), token("AB2"))
    await publish(store, "C1", token("AB2", status=TokenStatus.BLOCKED))
    assert store.tokens.find("AB2") is not None
    assert visible(store, "C2") == {}
    assert since(store, "C2", 1).changes == ()
    assert since(store, "C2", first.version).changes == ()


@pytest.mark.parametrize("change", [{"consents": frozenset({Mode.HUB})}, {"enabled": False}])
async def test_withdrawn_tokens_are_told_once_and_nothing_of_them_afterwards(
    store: Store, change: dict[str, Any]
) -> None:
    await enter(store, "C1")
    first = await publish(store, "C1", token("AB1"), token("AB2"))
    await store.operators.change("C1", **change)
    page = since(store, "C2", first.version)
    assert set(page.changes) == {token("AB1", deleted=True), token("AB2", deleted=True)}
    delta = (token("AB1", status=TokenStatus.BLOCKED), token("AB2", deleted=True))
    await publish(store, "C1", *delta, full=False, base_version=first.version)
    assert since(store, "C2", page.version).changes == ()


async def test_consent_lists_what_is_held_and_not_deleted(store: Store) -> None:
    await enter(store, "C1", consents=[])
    await publish(store, "C1", token("AB1"), token("AB2"), token("AB3", deleted=True))
    _, before = store.tokens.version()
    await store.operators.change("C1", consents=frozenset({Mode.WHITELIST}))
    assert set(since(store, "C2", before).changes) == {token("AB1"), token("AB2")}
    _, after = store.tokens.version()
    await store.operators.change("C1", wants=())
    assert store.tokens.version()[1] == after  # what does not concern the list does not change it


async def test_the_replica_of_a_tokens_new_home_forgets_the_old_one(store: Store) -> None:
    await enter(store, "C1", "C2")
    old = await publish(store, "C1", token("AB1"))
    await publish(store, "C1")
    await publish(store, "C2", token("AB1", parent_id_tag="P"))
    assert since(store, "C2", old.version).changes == (token("AB1", deleted=True),)
    assert since(store, "C1", old.version).changes == (token("AB1", parent_id_tag="P"),)
    assert visible(store, "C2") == {}


async def test_a_new_epoch_starts_every_replica_and_every_publication_over(store: Store) -> None:
    await enter(store, "C1")
    published = await publish(store, "C1", token("AB1"))
    epoch, version = store.tokens.version()
    new = await store.tokens.begin_epoch(NOW)
    assert new == epoch + 1
    assert store.tokens.version() == (new, version)
    page = store.tokens.whitelist_page("C2", epoch=epoch, version=version, limit=500)
    assert (page.epoch, page.changes) == (new, (token("AB1"),))
    with pytest.raises(RoamingRefused, match="VersionConflict"):
        await publish(store, "C1", token("AB2"), full=False, base_version=published.version)
    assert await store.tokens.begin_epoch(NOW + timedelta(days=1)) == epoch + 86_400


async def test_a_replica_ahead_of_the_store_gets_everything(store: Store) -> None:
    await enter(store, "C1")
    await publish(store, "C1", token("AB1"))
    assert since(store, "C2", 99).changes == (token("AB1"),)


# --- endpoints ----------------------------------------------------------------------------------------------


async def test_an_endpoint_is_what_was_published_last(store: Store) -> None:
    await enter(store, "C1")
    assert store.endpoints.get("C1") is None
    grant = await claim(store, "C1", "cd", "AB")
    assert grant.accepted == ("cd", "AB")
    assert store.endpoints.get("C1") == Endpoint("wss://x.example/roam", ("AB", "CD"))
    await claim(store, "C1", "EF", url="wss://y.example/roam")
    assert store.endpoints.get("C1") == Endpoint("wss://y.example/roam", ("EF",))
    assert store.endpoints.prefix_owner("AB1") is None
    assert store.endpoints.get("nobody") is None


async def test_prefixes_hold_without_an_endpoint(store: Store) -> None:
    await enter(store, "C1")
    await claim(store, "C1", "AB", url=None)
    assert store.endpoints.get("C1") is None
    assert store.endpoints.prefix_owner("ab9") == "C1"


async def test_prefixes_are_judged_by_those_registered_and_by_tokens_of_others(store: Store) -> None:
    await enter(store, "C1", "C2", "C3")
    await claim(store, "C1", "AB")
    await publish(store, "C2", token("XY~1"), token("GO1", deleted=True))
    grant = await claim(store, "C3", "AB1", "xy", "GO", "XZ")
    assert grant.accepted == ("GO", "XZ")
    assert [rejected.code for rejected in grant.rejected] == ["PrefixTaken", "TokensTaken"]
    assert (await claim(store, "C2", "XY")).accepted == ("XY",)
    assert store.endpoints.prefix_owner("AB1") == "C1"


async def test_a_decision_that_raises_leaves_the_endpoint(store: Store) -> None:
    def refuse(taken: dict[str, str], foreign: frozenset[str]) -> list[str]:
        raise RoamingRefused("No", f"{taken} {foreign}")

    await enter(store, "C1")
    await claim(store, "C1", "AB")
    with pytest.raises(RoamingRefused):
        await store.endpoints.publish("C1", None, ["CD"], refuse, list)
    assert store.endpoints.get("C1") == Endpoint("wss://x.example/roam", ("AB",))


# --- authorizations and CDRs --------------------------------------------------------------------------------


def authorization(
    message_id: str = "m-1",
    visited: str = "C2",
    key: str = "AB1",
    status: str = "Accepted",
    days_ago: int = 0,
) -> AuthorizationRecord:
    return AuthorizationRecord(visited, message_id, key, "C1", status, "hub", NOW - timedelta(days=days_ago))


async def facts_about(store: Store, message: Cdr) -> CdrFacts:
    seen: list[CdrFacts] = []
    with pytest.raises(LookupError):
        await store.cdrs.take(message.operator_id, [message], lambda _, facts: _stop(seen, facts), NOW)
    return seen[0]


def _stop(seen: list[CdrFacts], facts: CdrFacts) -> StoredCdr | None:
    seen.append(facts)
    raise LookupError


async def test_a_cdr_that_was_taken_is_in_custody_as_it_came(store: Store) -> None:
    await enter(store, "C1", "C2")
    await publish(store, "C1", token("AB1"))
    message = cdr(id_tag="ab1")
    stored = await take(store, message)
    assert (stored.visited, stored.home, stored.state, stored.body) == (
        "C2",
        "C1",
        CdrState.QUEUED,
        message.wire(),
    )
    assert store.cdrs.queued("C1", 10) == [stored]
    assert store.cdrs.find(state=None, operator_id=None, limit=10) == [stored]


async def test_a_cdr_that_is_there_comes_back_as_it_is(store: Store) -> None:
    await enter(store, "C1", "C2")
    await publish(store, "C1", token("AB1"))
    message = cdr()
    first, *others = await asyncio.gather(*(take(store, message, now=now) for now in (NOW, LATER, LATER)))
    assert others == [first, first]
    await store.cdrs.settle([CdrOutcome(message.cdr_id, CdrState.DELIVERED)], LATER)
    assert await take(store, message) == replace(first, state=CdrState.DELIVERED, settled_at=LATER)
    assert (await facts_about(store, message)).known_digest == message.digest()


async def test_what_is_refused_is_not_in_custody(store: Store) -> None:
    await enter(store, "C2")
    with pytest.raises(RoamingRefused, match="UnknownToken"):
        await take(store, cdr())
    assert store.cdrs.find(state=None, operator_id=None, limit=10) == []


async def test_home_is_the_holder_also_of_a_deleted_token_else_the_prefixs_owner(store: Store) -> None:
    await enter(store, "C1", "C3")
    assert (await facts_about(store, cdr())).home is None
    await claim(store, "C1", "AB")
    assert (await facts_about(store, cdr(id_tag="ab1"))).home == "C1"
    await publish(store, "C3", token("XY1"))
    await publish(store, "C3")
    assert (await facts_about(store, cdr(id_tag="XY1"))).home == "C3"


@pytest.mark.parametrize(
    ("record", "known"),
    [
        (authorization(), True),
        (authorization(message_id="m-2"), False),
        (authorization(visited="C3"), False),
        (authorization(key="AB2"), False),
        (authorization(status="Blocked"), False),
    ],
)
async def test_an_authorization_is_known_by_operator_message_and_token(
    store: Store,
    record: AuthorizationRecord,
    known: bool,  # noqa: FBT001 - a parameter
) -> None:
    await store.authorizations.record([record])
    assert (await facts_about(store, cdr(id_tag="ab1"))).authorized is known
    assert not (await facts_about(store, cdr(authorization_reference=None))).authorized


async def test_an_authorization_by_whitelist_is_known_if_the_token_was_ever_on_it(store: Store) -> None:
    message = cdr(authorization=Authorization.WHITELIST)
    await enter(store, "C1", consents=[Mode.HUB])
    assert not (await facts_about(store, message)).authorized
    await publish(store, "C1", token("AB1"))
    assert not (await facts_about(store, message)).authorized
    await store.operators.change("C1", consents=frozenset({Mode.WHITELIST}))
    assert (await facts_about(store, message)).authorized
    await store.operators.change("C1", consents=frozenset())
    assert (await facts_about(store, message)).authorized


async def test_a_message_id_used_again_stands_for_its_last_use(store: Store) -> None:
    await store.authorizations.record([authorization(), authorization(status="Invalid")])
    await store.authorizations.record([])
    assert not (await facts_about(store, cdr())).authorized


async def test_old_authorizations_are_forgotten_and_counted(store: Store) -> None:
    await store.authorizations.record([authorization(f"m-{n}", days_ago=n) for n in range(5)])
    assert await store.authorizations.prune(NOW - timedelta(days=2)) == 2
    assert await store.authorizations.prune(NOW - timedelta(days=2)) == 0
    assert not (await facts_about(store, cdr(authorization_reference="m-3"))).authorized
    assert (await facts_about(store, cdr(authorization_reference="m-2"))).authorized


@pytest.fixture
async def sessions(store: Store) -> list[StoredCdr]:
    """Three CDRs of C2 for C1, one of C3 for C1, one of C1 for C2."""
    await enter(store, "C1", "C2", "C3")
    await publish(store, "C1", token("AB1"))
    await publish(store, "C2", token("CD1"))
    messages = [cdr(), cdr(), cdr(), cdr("C3"), cdr("C1", "CD1")]
    return [await take(store, message) for message in messages]


async def test_the_queue_is_homes_own_and_in_the_order_of_arrival(
    store: Store, sessions: list[StoredCdr]
) -> None:
    assert store.cdrs.queued("C1", 10) == sessions[:4]
    assert store.cdrs.queued("C1", 2) == sessions[:2]
    assert store.cdrs.queued("C2", 10) == sessions[4:]
    await store.cdrs.settle([CdrOutcome(sessions[0].cdr.cdr_id, CdrState.ACCEPTED)], LATER)
    await store.cdrs.settle([CdrOutcome(sessions[2].cdr.cdr_id, CdrState.REJECTED, "why")], LATER)
    assert store.cdrs.queued("C1", 10) == [sessions[1], sessions[3]]


async def test_what_an_operator_has_lost_is_offered_again(store: Store, sessions: list[StoredCdr]) -> None:
    rejected, accepted, delivered, queued, others = sessions
    late = await take(store, cdr(), now=LATER)
    await store.cdrs.settle(
        [
            CdrOutcome(rejected.cdr.cdr_id, CdrState.REJECTED, "why"),
            CdrOutcome(accepted.cdr.cdr_id, CdrState.ACCEPTED),
            CdrOutcome(delivered.cdr.cdr_id, CdrState.DELIVERED),
            CdrOutcome(others.cdr.cdr_id, CdrState.ACCEPTED),
            CdrOutcome(late.cdr.cdr_id, CdrState.ACCEPTED),
        ],
        LATER,
    )
    assert await store.cdrs.redeliver("C1", LATER) == 1
    assert store.cdrs.queued("C1", 10) == [queued, late]
    assert await store.cdrs.redeliver("C1", NOW) == 2
    assert store.cdrs.queued("C1", 10) == [accepted, delivered, queued, late]
    assert store.cdrs.queued("C2", 10) == []


async def test_what_waits_is_counted_by_operator(store: Store, sessions: list[StoredCdr]) -> None:
    assert store.cdrs.backlogs() == [Backlog("C1", 4, NOW), Backlog("C2", 1, NOW)]
    await take(store, cdr(), now=LATER)
    await store.cdrs.settle([CdrOutcome(stored.cdr.cdr_id, CdrState.ACCEPTED) for stored in sessions], LATER)
    assert store.cdrs.backlogs() == [Backlog("C1", 1, LATER)]


async def test_settled_cdrs_are_told_to_the_visited_operator_until_it_knows(
    store: Store, sessions: list[StoredCdr]
) -> None:
    assert store.cdrs.untold("C2", 10) == []
    accepted, rejected, *_ = sessions
    await store.cdrs.settle([CdrOutcome(rejected.cdr.cdr_id, CdrState.REJECTED, "why")], LATER)
    await store.cdrs.settle([CdrOutcome(accepted.cdr.cdr_id, CdrState.ACCEPTED)], LATER)
    told = CdrOutcome(accepted.cdr.cdr_id, CdrState.ACCEPTED)
    untold = CdrOutcome(rejected.cdr.cdr_id, CdrState.REJECTED, "why")
    assert store.cdrs.untold("C2", 10) == [told, untold]
    assert store.cdrs.untold("C2", 1) == [told]
    assert store.cdrs.untold("C3", 10) == []
    await store.cdrs.note_told([told])
    assert store.cdrs.untold("C2", 10) == [untold]


async def test_what_has_changed_since_it_was_read_is_still_to_be_told(
    store: Store, sessions: list[StoredCdr]
) -> None:
    cdr_id = sessions[0].cdr.cdr_id
    await store.cdrs.settle([CdrOutcome(cdr_id, CdrState.REJECTED, "why")], LATER)
    read = store.cdrs.untold("C2", 10)
    await store.cdrs.requeue(cdr_id)
    await store.cdrs.settle([CdrOutcome(cdr_id, CdrState.ACCEPTED)], LATER)
    await store.cdrs.note_told(read)
    assert [stored.state for stored in store.cdrs.untold("C2", 10)] == [CdrState.ACCEPTED]


async def test_only_a_rejected_cdr_is_offered_again(store: Store, sessions: list[StoredCdr]) -> None:
    first = sessions[0]
    assert not await store.cdrs.requeue(uuid.uuid4())
    assert not await store.cdrs.requeue(first.cdr.cdr_id)
    await store.cdrs.settle([CdrOutcome(first.cdr.cdr_id, CdrState.REJECTED, "why")], LATER)
    assert await store.cdrs.requeue(first.cdr.cdr_id)
    assert store.cdrs.queued("C1", 10) == sessions[:4]
    assert store.cdrs.untold("C2", 10) == []


async def test_cdrs_are_found_by_state_and_operator_the_newest_first(
    store: Store, sessions: list[StoredCdr]
) -> None:
    def found(state: CdrState | None = None, operator_id: str | None = None, limit: int = 10) -> list[int]:
        ids = [stored.cdr.cdr_id for stored in sessions]
        hits = store.cdrs.find(state=state, operator_id=operator_id, limit=limit)
        return [ids.index(stored.cdr.cdr_id) for stored in hits]

    await store.cdrs.settle([CdrOutcome(sessions[1].cdr.cdr_id, CdrState.REJECTED, "why")], LATER)
    assert found() == [4, 3, 2, 1, 0]
    assert found(limit=2) == [4, 3]
    assert found(state=CdrState.REJECTED) == [1]
    assert found(state=CdrState.QUEUED, operator_id="C2") == [4, 2, 0]
    assert found(operator_id="C3") == [3]


# --- the store ----------------------------------------------------------------------------------------------


async def test_the_ticket_key_stays_and_is_ed25519(store: Store) -> None:
    key = store.ticket_key()
    assert isinstance(load_pem_private_key(key.encode(), password=None), Ed25519PrivateKey)
    assert store.ticket_key() == key


async def test_the_schema_is_never_newer_before_than_after(store: Store) -> None:
    found, now = store.schema_versions()
    assert found <= now


async def test_what_we_write_or_read_was_not_changed_elsewhere(store: Store) -> None:
    await enter(store, "C1")
    assert not await store.changed_elsewhere()
    await publish(store, "C1", Token(id_tag="AB1"))
    store.operators.standings()
    store.tokens.whitelist_page("C1", epoch=0, version=0, limit=10)
    assert not await store.changed_elsewhere()


# --- credits and the ledger ---------------------------------------------------------------------------------


async def test_a_credit_is_judged_by_the_cdr_that_it_names(store: Store, sessions: list[StoredCdr]) -> None:
    original = sessions[0]
    credit = original.cdr.credited_by(uuid.uuid4())
    facts = await facts_about(store, credit)
    assert (facts.original, facts.cancelled_by) == (original, None)
    stored = await take(store, credit)
    assert store.cdrs.queued("C1", 10)[-1] == stored
    facts = await facts_about(store, original.cdr.credited_by(uuid.uuid4()))
    assert (facts.original, facts.cancelled_by) == (original, credit.cdr_id)
    facts = await facts_about(store, cdr().credited_by(uuid.uuid4()))
    assert (facts.original, facts.cancelled_by) == (None, None)


async def test_the_ledger_of_a_period_has_what_ended_in_it(store: Store) -> None:
    await enter(store, "C1", "C2")
    await publish(store, "C1", token("AB1"))
    start, end = NOW, NOW + timedelta(days=1)
    second = timedelta(seconds=1)
    ends = [start - second / 2, start, start + second / 2, end - second / 2, end]
    early, first, dotted, last, late = [cdr(session_end=moment) for moment in ends]
    credit = first.credited_by(uuid.uuid4())
    for message in (early, first, dotted, last, late, credit):
        await take(store, message)
    await store.cdrs.settle([CdrOutcome(first.cdr_id, CdrState.ACCEPTED)], LATER)
    assert store.cdrs.ledger(Period(start, end)) == [
        LedgerRow(first.cdr_id, first.digest(), "C2", "C1", 12_500, False, CdrState.ACCEPTED),
        LedgerRow(dotted.cdr_id, dotted.digest(), "C2", "C1", 12_500, False, CdrState.QUEUED),
        LedgerRow(last.cdr_id, last.digest(), "C2", "C1", 12_500, False, CdrState.QUEUED),
        LedgerRow(credit.cdr_id, credit.digest(), "C2", "C1", -12_500, True, CdrState.QUEUED),
    ]
    assert len(store.cdrs.ledger(Period())) == 6


async def test_a_rejected_cdr_is_offered_again_with_its_credit(store: Store, sessions: list[StoredCdr]) -> None:
    first, second = (stored.cdr for stored in sessions[:2])
    credit = first.credited_by(uuid.uuid4())
    await take(store, credit)
    for message in (first, second, credit):
        await store.cdrs.settle([CdrOutcome(message.cdr_id, CdrState.REJECTED, "why")], LATER)
    assert await store.cdrs.requeue(first.cdr_id)
    queued = [stored.cdr for stored in store.cdrs.queued("C1", 10)]
    assert [one for one in queued if one in (first, credit)] == [first, credit]
    assert second not in queued


# --- many at once -------------------------------------------------------------------------------------------


async def test_many_are_taken_in_their_order_and_each_is_judged_by_itself(store: Store) -> None:
    await enter(store, "C1", "C2")
    await publish(store, "C1", token("AB1"))
    first, unknown = cdr(), cdr(id_tag="ZZ1")
    credit, again = first.credited_by(uuid.uuid4()), first
    taken = await take_all(store, first, unknown, credit, again)
    refused = taken[1]
    assert isinstance(refused, RoamingRefused)
    assert refused.code == "UnknownToken"
    assert taken[3] == taken[0]
    assert [stored.cdr for stored in store.cdrs.queued("C1", 10)] == [first, credit]


async def test_a_decision_that_fails_leaves_nothing_of_the_many(store: Store) -> None:
    await enter(store, "C1", "C2")
    await publish(store, "C1", token("AB1"))
    seen: list[CdrFacts] = []

    def fail_at_the_third(facts: CdrFacts) -> None:
        seen.append(facts)
        if len(seen) == 3:
            raise LookupError

    with pytest.raises(LookupError):
        await take_all(store, cdr(), cdr(id_tag="ZZ1"), cdr(), see=fail_at_the_third)
    assert store.cdrs.queued("C1", 10) == []
    assert store.cdrs.refused(operator_id=None, limit=10) == []


async def test_many_outcomes_are_settled_and_told_together(store: Store, sessions: list[StoredCdr]) -> None:
    first, second, *_ = sessions
    await store.cdrs.settle(
        [
            CdrOutcome(first.cdr.cdr_id, CdrState.ACCEPTED),
            CdrOutcome(second.cdr.cdr_id, CdrState.REJECTED, "why"),
        ],
        LATER,
    )
    untold = store.cdrs.untold("C2", 10)
    assert [(stored.state, stored.reason) for stored in untold] == [
        (CdrState.ACCEPTED, None),
        (CdrState.REJECTED, "why"),
    ]
    await store.cdrs.note_told(untold)
    assert store.cdrs.untold("C2", 10) == []


# --- what is refused ----------------------------------------------------------------------------------------


async def test_a_refused_cdr_is_shown_until_it_is_taken_after_all(store: Store) -> None:
    await enter(store, "C1", "C2", "C3")
    early, late = cdr(), cdr("C3")
    for message, now in ((early, NOW), (late, LATER), (early, NOW)):
        with pytest.raises(RoamingRefused, match="UnknownToken"):
            await take(store, message, now=now)
    newest, older = store.cdrs.refused(operator_id=None, limit=10)
    assert (newest.cdr, newest.visited, newest.refused_at) == (late, "C3", LATER)
    assert older.reason == "UnknownToken: idTag belongs to no operator of this hub"
    assert store.cdrs.refused(operator_id=None, limit=1) == [newest]
    assert store.cdrs.refused(operator_id="C2", limit=10) == [older]
    await publish(store, "C1", token("AB1"))
    await take(store, early)
    assert store.cdrs.refused(operator_id=None, limit=10) == [newest]


async def test_old_refusals_are_forgotten(store: Store) -> None:
    await enter(store, "C2")
    for now in (NOW, LATER):
        with pytest.raises(RoamingRefused):
            await take(store, cdr(), now=now)
    assert await store.cdrs.prune_refused(LATER) == 1
    assert [one.refused_at for one in store.cdrs.refused(operator_id=None, limit=10)] == [LATER]
