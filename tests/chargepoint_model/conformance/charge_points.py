"""Charge points to be examined: the model, and ones that are wrong on purpose."""

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from cascade.trace import FrameTrace
from chargepoint_model.charger import Charger
from chargepoint_model.station import ChargerSettings
from tests.chargepoint_model.conformance import servers

ChargePoint = Callable[[str], Coroutine[Any, Any, None]]
"""Lives at a URL until it is cancelled."""

BOOT = orjson.dumps(
    [2, "b", "BootNotification", {"chargePointVendor": "Other", "chargePointModel": "Wrong"}]
).decode()


async def the_model(url: str) -> None:
    settings = ChargerSettings(
        url=url, identity="CP-1", time_scale=100, backoff_base_s=0.01, backoff_cap_s=0.05, boot_retry_s=0.01
    )
    charger = Charger(settings, FrameTrace("CP-1"))
    try:
        await charger.run()
    finally:
        await charger.station.close()


def a_raw_one(*sayings: str, result: servers.Result | None = servers.plausible) -> ChargePoint:
    """Boots, says something, and answers every CALL with a result, whatever it is; None: with nothing."""

    async def live(url: str) -> None:
        while True:
            async with connect(
                f"{url}/RAW", subprotocols=[Subprotocol("ocpp1.6")], max_size=None, close_timeout=1
            ) as connection:
                for number, saying in enumerate((BOOT, *sayings)):
                    await connection.send(saying.replace("$N", str(number)))
                with contextlib.suppress(ConnectionClosed):
                    async for message in connection:
                        if result is None or _is_answer(message):
                            continue
                        for answer in servers.lax(connection, message, result):
                            await connection.send(answer)

    return live


def _is_answer(message: str | bytes) -> bool:
    try:
        frame = orjson.loads(message)
    except orjson.JSONDecodeError:
        return False
    return isinstance(frame, list) and frame[:1] in ([3], [4]) and str(frame[1]) in {"b", "1", "2"}
