import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cascade.errors import PeerError, UnsupportedActionError
from cascade.frames import Call, Payload
from cascade.roaming.tokens import Token, TokenStatus
from cpo_central.app import Central
from cpo_central.chargers.charge_points import LocalList
from cpo_central.chargers.local_lists import ListSent, LocalLists
from cpo_central.drivers.tokens import TokenStore
from tests.cpo_central.actors import Charger
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]


class ListHolder:
    """What a charger does with its local list (OCPP 1.6, section 5.15)."""

    def __init__(self, max_length: int | None = 2) -> None:
        self.max_length = max_length
        self.version = 0
        self.tokens: dict[str, Payload] = {}
        self.heard: list[tuple[int, str, int]] = []
        self.refuses: str | None = None

    @property
    def answers(self) -> dict[str, Callable[[Call], Awaitable[Payload]]]:
        return {
            "SendLocalList": self._send,
            "GetLocalListVersion": self._version,
            "GetConfiguration": self._configuration,
        }

    async def _send(self, call: Call) -> Payload:
        version, kind = call.payload["listVersion"], call.payload["updateType"]
        entries = call.payload["localAuthorizationList"]
        self.heard.append((version, kind, len(entries)))
        if self.refuses is not None and len(self.heard) > 1:
            return {"status": self.refuses}
        if kind == "Differential" and version != self.version + 1:
            return {"status": "VersionMismatch"}
        if self.max_length is not None and len(entries) > self.max_length:
            return {"status": "Failed"}
        if kind == "Full":
            self.tokens = {}
        for entry in entries:
            if "idTagInfo" in entry:
                self.tokens[entry["idTag"]] = entry["idTagInfo"]
            else:
                self.tokens.pop(entry["idTag"], None)
        self.version = version
        return {"status": "Accepted"}

    async def _version(self, _: Call) -> Payload:
        return {"listVersion": self.version}

    async def _configuration(self, call: Call) -> Payload:
        if self.max_length is None:
            raise UnsupportedActionError("no configuration here")
        value = {"key": "SendLocalListMaxLength", "readonly": True, "value": str(self.max_length)}
        return {"configurationKey": [value]} if call.payload["key"] == [value["key"]] else {}


def lists(central: Central) -> tuple[LocalLists, TokenStore]:
    tokens = TokenStore(central._database)
    made = LocalLists(chargers=central.chargers, charge_points=central.charge_points, tokens=tokens)
    return made, tokens


def token(id_tag: str, status: str = "Accepted", **more: object) -> Token:
    return Token.model_validate({"idTag": id_tag, "status": TokenStatus(status), **more})


async def test_a_list_goes_in_parts_and_then_what_has_changed(start: Start, charger: Connect) -> None:
    central, cp = await start(), ListHolder()
    await charger(central, answers=cp.answers)
    local, tokens = lists(central)
    await tokens.put([token(f"OWN0000{number}", parentIdTag="GROUP") for number in range(5)])
    assert await local.send("CP-1", None, full=True) == ListSent("Accepted", 3, 5)
    assert cp.heard == [(1, "Full", 2), (2, "Differential", 2), (3, "Differential", 1)]
    assert cp.tokens["OWN00004"] == {"status": "Accepted", "parentIdTag": "GROUP"}
    await tokens.put([token("OWN00001", "Blocked"), token("OWN00009")])
    assert await local.send("CP-1", None, full=False) == ListSent("Accepted", 4, 2)
    assert cp.tokens["OWN00001"] == {"status": "Blocked"}
    assert len(cp.tokens) == 6
    assert await local.send("CP-1", None, full=False) == ListSent("Accepted", 5, 0)
    assert await local.send("CP-1", [token("OWN00001", deleted=True)], full=False) == ListSent("Accepted", 6, 1)
    assert "OWN00001" not in cp.tokens
    assert await local.send("CP-1", [], full=True) == ListSent("Accepted", 7, 0)
    assert cp.tokens == {}
    assert await local.send("CP-1", None, full=False) == ListSent("Accepted", 10, 6), "it holds none of ours"
    known = central.charge_points.get("CP-1")
    assert known is not None
    assert known.local_list_version == 10


async def test_a_charger_that_lost_its_list_gets_the_full_one(start: Start, charger: Connect) -> None:
    central, cp = await start(), ListHolder(max_length=None)
    await charger(central, answers=cp.answers)
    local, tokens = lists(central)
    await tokens.put([token("OWN00001"), token("OWN00002")])
    await local.send("CP-1", None, full=True)
    cp.version, cp.tokens = 40, {}
    assert await local.send("CP-1", [token("GUEST001")], full=False) == ListSent("Accepted", 41, 3)
    assert sorted(cp.tokens) == ["GUEST001", "OWN00001", "OWN00002"]
    cp.version = 0
    assert await local.version("CP-1") == 0
    assert central.charge_points.local_list("CP-1") == LocalList(0, 0)
    assert await local.send("CP-1", None, full=False) == ListSent("Accepted", 1, 2)
    assert await local.version("CP-1") == 1
    assert central.charge_points.local_list("CP-1").change == 2
    cp.version = -1
    assert await local.version("CP-1") == -1
    assert central.charge_points.local_list("CP-1").version == 0


@pytest.mark.parametrize("answer", ["Failed", "NotSupported"])
async def test_what_a_charger_refuses_is_told(start: Start, charger: Connect, answer: str) -> None:
    central, cp = await start(), ListHolder()
    await charger(central, answers=cp.answers)
    local, tokens = lists(central)
    await tokens.put([token(f"OWN0000{number}") for number in range(5)])
    cp.refuses = answer
    assert await local.send("CP-1", None, full=True) == ListSent(answer, 1, 2)
    assert central.charge_points.local_list("CP-1") == LocalList(1, 0)
    cp.refuses = None
    assert (await local.send("CP-1", None, full=False)).status == "Accepted"
    assert len(cp.tokens) == 5


async def test_a_charger_that_keeps_saying_version_mismatch_is_not_asked_for_ever(
    start: Start, charger: Connect
) -> None:
    central, cp = await start(), ListHolder()
    await charger(central, answers=cp.answers)
    local, _ = lists(central)
    await local.send("CP-1", [token("A")], full=True)
    cp.refuses = "VersionMismatch"
    assert (await local.send("CP-1", [token("A")], full=False)).status == "VersionMismatch"
    assert len(cp.heard) == 3


async def test_lists_to_one_charger_do_not_mix(start: Start, charger: Connect) -> None:
    central, cp = await start(), ListHolder()
    await charger(central, answers=cp.answers)
    local, _ = lists(central)
    batches = [[token(f"B{batch}-{number}") for number in range(4)] for batch in range(3)]
    sent = await asyncio.gather(*(local.send("CP-1", batch, full=True) for batch in batches))
    assert [outcome.version for outcome in sent] == [2, 4, 6]
    assert [kind for _, kind, _ in cp.heard] == ["Full", "Differential"] * 3
    assert set(cp.tokens) == {"B2-0", "B2-1", "B2-2", "B2-3"}


async def test_a_charger_that_knows_no_lists(start: Start, charger: Connect) -> None:
    central = await start()
    await charger(central)
    local, _ = lists(central)
    with pytest.raises(PeerError, match="NotSupported"):
        await local.send("CP-1", [token("A")], full=True)
    with pytest.raises(PeerError, match="NotSupported"):
        await local.version("CP-1")
