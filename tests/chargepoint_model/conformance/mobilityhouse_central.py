"""A minimal central system on another stack: routing and validation of mobilityhouse/ocpp, unmodified."""

import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.enums import (
    Action,
    AuthorizationStatus,
    DataTransferStatus,
    RegistrationStatus,
)
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

KNOWN = "TAG-1"


H = TypeVar("H", bound=Callable[..., object])


def answers(action: Action) -> Callable[[H], H]:
    """The package's `on`, with the types that it does not ship."""
    decorate: Callable[[H], H] = on(action)
    return decorate


def _info(id_tag: str | None) -> dict[str, Any]:
    known = id_tag == KNOWN
    return {"status": AuthorizationStatus.accepted if known else AuthorizationStatus.invalid}


def _now() -> str:
    return datetime.now(UTC).isoformat()


class Central(ChargePoint):  # type: ignore[misc]  # the package ships no types
    """One charge point's desk: the eight Core messages, and nothing else."""

    ids = itertools.count(1)

    @answers(Action.boot_notification)
    def boot(self, **_: object) -> call_result.BootNotification:
        return call_result.BootNotification(
            current_time=_now(), interval=300, status=RegistrationStatus.accepted
        )

    @answers(Action.heartbeat)
    def heartbeat(self) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=_now())

    @answers(Action.status_notification)
    def status(self, **_: object) -> call_result.StatusNotification:
        return call_result.StatusNotification()

    @answers(Action.authorize)
    def authorize(self, id_tag: str) -> call_result.Authorize:
        return call_result.Authorize(id_tag_info=_info(id_tag))

    @answers(Action.start_transaction)
    def start_transaction(self, id_tag: str, **_: object) -> call_result.StartTransaction:
        return call_result.StartTransaction(transaction_id=next(self.ids), id_tag_info=_info(id_tag))

    @answers(Action.meter_values)
    def meter_values(self, **_: object) -> call_result.MeterValues:
        return call_result.MeterValues()

    @answers(Action.stop_transaction)
    def stop_transaction(self, id_tag: str | None = None, **_: object) -> call_result.StopTransaction:
        return call_result.StopTransaction(id_tag_info=None if id_tag is None else _info(id_tag))

    @answers(Action.data_transfer)
    def data_transfer(self, **_: object) -> call_result.DataTransfer:
        return call_result.DataTransfer(status=DataTransferStatus.unknown_vendor_id)


async def _speak(connection: ServerConnection) -> None:
    assert connection.request is not None
    charge_point = Central(connection.request.path.rpartition("/")[2], connection)
    with contextlib.suppress(ConnectionClosed):
        await charge_point.start()


@asynccontextmanager
async def running() -> AsyncIterator[str]:
    """Its URL, while it listens."""
    logging.getLogger("ocpp").setLevel(logging.CRITICAL)
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    async with serve(_speak, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"
