"""Commands: to chargers that answer what a test wants, and to none at all."""

import asyncio

import httpx
import pytest

from cascade.errors import BadValueError
from cascade.frames import Call, Payload
from cpo_central.chargers.acceptance import Registration
from cpo_central.rest.operations import OPERATIONS, Operation
from tests.conftest import LogLines
from tests.cpo_central.rest.conftest import Chargers, Rest, is_problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = "/api/v1/central-system/clients"

RESULTS: dict[str, Payload] = {
    "GetConfiguration": {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]},
    "GetLocalListVersion": {"listVersion": 7},
    "GetDiagnostics": {"fileName": "log.zip"},
    "UpdateFirmware": {},
    "UnlockConnector": {"status": "Unlocked"},
}
"""What the charger answers; {"status": "Accepted"} to all else."""


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.path)
async def test_a_command_goes_to_the_charger_and_its_answer_comes_back(
    api: httpx.AsyncClient, charger: Chargers, operation: Operation
) -> None:
    heard: list[Call] = []
    result = RESULTS.get(operation.action, {"status": "Accepted"})

    async def answer(call: Call) -> Payload:
        heard.append(call)
        return result

    await charger("CP-1", **{operation.action: answer})
    answered = await api.post(f"{CLIENTS}/CP-1/{operation.path}", json=operation.example)
    assert (answered.status_code, answered.json()) == (200, result)
    assert [(call.action, call.payload) for call in heard] == [(operation.action, operation.example)]


async def accept(_: Call) -> Payload:
    return {"status": "Accepted"}


async def test_the_connected_are_listed(api: httpx.AsyncClient, charger: Chargers) -> None:
    assert (await api.get(CLIENTS)).json() == []
    await charger("CP-B")
    await charger("CP-A")
    assert (await api.get(CLIENTS)).json() == ["CP-A", "CP-B"]


async def test_no_body_is_a_payload_without_fields(api: httpx.AsyncClient, charger: Chargers) -> None:
    await charger("CP-1", ClearCache=accept)
    assert (await api.post(f"{CLIENTS}/CP-1/clear-cache")).json() == {"status": "Accepted"}
    assert is_problem(await api.post(f"{CLIENTS}/CP-1/reset"), 422, "invalid")


@pytest.mark.parametrize("identity", ["a b", "a/b", "ä%2Fß", "..", "100%"])
async def test_an_id_may_be_anything(api: httpx.AsyncClient, charger: Chargers, identity: str) -> None:
    await charger(identity, Reset=accept)
    encoded = "".join(f"%{byte:02X}" for byte in identity.encode())
    answered = await api.post(f"{CLIENTS}/{encoded}/reset", json={"type": "Soft"})
    assert answered.json() == {"status": "Accepted"}


async def test_an_unknown_charger_is_404(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{CLIENTS}/NOBODY/reset", json={"type": "Soft"})
    assert is_problem(answer, 404, "unknown-charge-point")


async def test_a_charger_that_is_away_is_409(api: httpx.AsyncClient, charger: Chargers, logs: LogLines) -> None:
    await (await charger("CP-AWAY")).close()
    await logs.event("charger_unlinked")
    answer = await api.post(f"{CLIENTS}/CP-AWAY/reset", json={"type": "Soft"})
    assert is_problem(answer, 409, "not-connected")


async def test_a_pending_charger_may_not_start_anything(
    rest: Rest, api: httpx.AsyncClient, charger: Chargers
) -> None:
    await charger("CP-PENDING", RemoteStartTransaction=accept, ChangeConfiguration=accept)
    await rest.central.charge_points.register("CP-PENDING", Registration.PENDING)
    start = await api.post(f"{CLIENTS}/CP-PENDING/start-transaction", json={"idTag": "A"})
    assert is_problem(start, 409, "not-accepted")
    change = {"key": "HeartbeatInterval", "value": "60"}
    assert (await api.post(f"{CLIENTS}/CP-PENDING/change-configuration", json=change)).status_code == 200


async def test_a_silent_charger_is_504(api: httpx.AsyncClient, charger: Chargers) -> None:
    enough = asyncio.Event()

    async def be_silent(_: Call) -> Payload:
        await enough.wait()
        return {"status": "Accepted"}

    await charger("CP-SILENT", Reset=be_silent)
    answer = await api.post(f"{CLIENTS}/CP-SILENT/reset", json={"type": "Soft"}, params={"timeout_s": 0.1})
    assert is_problem(answer, 504, "silent")
    assert answer.elapsed.total_seconds() < 2
    enough.set()


@pytest.mark.parametrize("timeout_s", ["0", "301", "soon", "nan"])
async def test_a_wait_has_bounds(api: httpx.AsyncClient, timeout_s: str) -> None:
    answer = await api.post(f"{CLIENTS}/CP-1/clear-cache", params={"timeout_s": timeout_s})
    assert is_problem(answer, 422, "invalid")
    assert answer.json()["errors"][0]["place"] == "query/timeout_s"


async def test_a_callerror_is_502_with_its_code(api: httpx.AsyncClient, charger: Chargers) -> None:
    async def refuse(_: Call) -> Payload:
        raise BadValueError("connector 9 is not here")

    await charger("CP-REFUSES", UnlockConnector=refuse)
    answer = await api.post(f"{CLIENTS}/CP-REFUSES/unlock-connector", json={"connectorId": 9})
    assert is_problem(answer, 502, "call-error")
    assert answer.json()["code"] == "PropertyConstraintViolation"
    assert "connector 9 is not here" in answer.json()["detail"]


async def test_a_result_that_is_none_is_502(api: httpx.AsyncClient, charger: Chargers) -> None:
    async def babble(_: Call) -> Payload:
        return {"status": "Perhaps"}

    await charger("CP-BABBLES", Reset=babble)
    answer = await api.post(f"{CLIENTS}/CP-BABBLES/reset", json={"type": "Soft"})
    assert is_problem(answer, 502, "bad-result")


async def test_a_link_that_is_lost_meanwhile_is_502(api: httpx.AsyncClient, charger: Chargers) -> None:
    asked, enough = asyncio.Event(), asyncio.Event()

    async def hesitate(_: Call) -> Payload:
        asked.set()
        await enough.wait()
        return {"status": "Accepted"}

    await charger("CP-LEAVES", Reset=hesitate)
    asking = asyncio.create_task(api.post(f"{CLIENTS}/CP-LEAVES/reset", json={"type": "Soft"}))
    await asked.wait()
    await charger("CP-LEAVES")
    answer = await asking
    assert is_problem(answer, 502, "link-lost")
    enough.set()


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"{", "FormationViolation", "not JSON"),
        (b"[]", "FormationViolation", "not a JSON object"),
        (b'{"type": 1}', "TypeConstraintViolation", "Reset.type"),
        (b'{"type": "Hot"}', "PropertyConstraintViolation", "Reset.type"),
        (b'{"kind": "Soft", "type": "Soft"}', "FormationViolation", "kind"),
        (b"{}", "ProtocolError", "type"),
        (b'{"type": "\xff"}', "FormationViolation", "not JSON"),
    ],
)
async def test_a_body_that_is_no_request_is_422_and_says_where(
    api: httpx.AsyncClient, charger: Chargers, body: bytes, code: str, said: str
) -> None:
    await charger("CP-1", Reset=accept)
    answer = await api.post(f"{CLIENTS}/CP-1/reset", content=body)
    assert is_problem(answer, 422, "invalid")
    assert answer.json()["code"] == code
    assert said in answer.json()["detail"]
