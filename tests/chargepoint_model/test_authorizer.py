import asyncio

import pytest

from cascade.frames import Payload
from chargepoint_model import visit
from chargepoint_model.behaviour import Driver
from chargepoint_model.charger import Charger
from tests.chargepoint_model.conftest import Central, ChargerOf


async def presented(charger: Charger, id_tag: str) -> tuple[str, bool]:
    """The decision on a tag at connector 1, and whether it began a session; the driver leaves again."""
    connector = charger.station.connectors[1]
    visit.arrive(connector)
    authorization = await charger.authorizer.present(connector, id_tag)
    began = connector.session is not None
    visit.leave(connector)
    assert authorization is not None
    return authorization.status, began


async def alone(central: Central, charger_of: ChargerOf, keys: dict[str, str]) -> Charger:
    """A charge point that has asked about two tags and has a list, and has lost its central system for good."""
    charger = await charger_of(backoff_base_s=3600.0, backoff_cap_s=3600.0)
    blocked: Payload = {"idTagInfo": {"status": "Blocked"}}
    central.script["Authorize"] = [{"idTagInfo": {"status": "Accepted", "parentIdTag": "P"}}, blocked]
    for id_tag in ("CACHED", "REFUSED"):
        await charger.authorizer.ask(id_tag)
    expired = {"status": "Accepted", "expiryDate": "2020-01-01T00:00:00Z"}
    entries = [("LISTED", {"status": "Accepted"}), ("BLOCKED", {"status": "Blocked"}), ("EXPIRED", expired)]
    listed = [{"idTag": id_tag, "idTagInfo": info} for id_tag, info in entries]
    charger.station.tags.update(1, listed, full=True)
    for name, value in keys.items():
        assert charger.station.configuration.change(name, value) == "Accepted"
    link = charger.station.link
    assert link is not None
    assert central.link is not None
    await central.link.close()
    while charger.station.link is not None:  # noqa: ASYNC110 - nobody tells when it is noticed
        await asyncio.sleep(0)
    return charger


@pytest.mark.parametrize(
    ("keys", "began"),
    [
        ({}, {"CACHED", "LISTED"}),
        ({"AuthorizationCacheEnabled": "false"}, {"LISTED"}),
        ({"LocalAuthListEnabled": "false"}, {"CACHED"}),
        ({"LocalAuthorizeOffline": "false"}, set()),
        ({"AllowOfflineTxForUnknownId": "true"}, {"CACHED", "LISTED", "UNKNOWN"}),
        ({"AllowOfflineTxForUnknownId": "true", "LocalAuthorizeOffline": "false"}, {"UNKNOWN"}),
    ],
)
async def test_who_may_charge_while_nobody_can_be_asked(
    central: Central, charger_of: ChargerOf, keys: dict[str, str], began: set[str]
) -> None:
    charger = await alone(central, charger_of, keys)
    tags = ("CACHED", "REFUSED", "LISTED", "BLOCKED", "EXPIRED", "UNKNOWN")
    assert {id_tag for id_tag in tags if (await presented(charger, id_tag))[1]} == began


async def test_what_is_known_of_a_tag_is_told(central: Central, charger_of: ChargerOf) -> None:
    charger = await alone(central, charger_of, {})
    told = {
        id_tag: (await presented(charger, id_tag))[0] for id_tag in ("CACHED", "BLOCKED", "EXPIRED", "UNKNOWN")
    }
    assert told == {"CACHED": "Accepted", "BLOCKED": "Blocked", "EXPIRED": "Expired", "UNKNOWN": "Error"}


async def test_a_parent_is_known_without_a_question(central: Central, charger_of: ChargerOf) -> None:
    charger = await alone(central, charger_of, {})
    assert (await charger.authorizer.identify("cached")).driver == Driver("cached", "P")


async def test_where_it_may_it_does_not_ask_about_those_it_knows(
    central: Central, charger_of: ChargerOf
) -> None:
    charger = await charger_of()
    charger.station.configuration.change("LocalPreAuthorize", "true")
    for _ in range(2):
        assert await presented(charger, "T-1") == ("Accepted", True)
    assert len(central.heard("Authorize")) == 1
    charger.station.tags.update(1, [{"idTag": "T-2", "idTagInfo": {"status": "Blocked"}}], full=True)
    assert await presented(charger, "T-2") == ("Accepted", True), "the central system knows better"
    assert len(central.heard("Authorize")) == 2


async def test_a_start_is_learnt_from_too(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    central.script["StartTransaction"] = [{"transactionId": 1, "idTagInfo": {"status": "Blocked"}}]
    await presented(charger, "T-1")
    await central.hears("StopTransaction")
    await charger.station.outbox.empty()
    known = charger.station.known("T-1")
    assert known is not None
    assert known.status == "Blocked"


async def test_an_answer_with_an_expiry_that_is_in_no_calendar_counts_all_the_same(
    central: Central, charger_of: ChargerOf
) -> None:
    charger = await charger_of()
    odd = {"status": "Accepted", "expiryDate": "2016-12-31T23:59:60Z"}
    central.script["Authorize"] = [{"idTagInfo": odd}]
    assert await presented(charger, "T-1") == ("Accepted", True)
