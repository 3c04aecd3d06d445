"""What one would write first: the same chain on the `ocpp` package's ChargePoint, with its default settings.

It validates each message against its JSON schema, going up and coming down, and has one call in flight on a
link.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from benchmarks.baselines.roles import (
    HOME_PATH,
    HOST,
    SUBPROTOCOL,
    Options,
    decision,
    dialled,
    run,
    say,
    status,
)

SUBPROTOCOLS = [Subprotocol(SUBPROTOCOL)]


class Above:
    """Whom to ask."""

    def __init__(self) -> None:
        self.link: ChargePoint | None = None
        """None: nobody, the question is answered here."""


class Party(ChargePoint):  # type: ignore[misc]
    """One link, of whoever is asked on it or asks."""

    def __init__(self, identity: str, connection: Any, above: Above) -> None:  # noqa: ANN401 - of an untyped package
        super().__init__(identity, connection)
        self._above = above

    @on(Action.authorize)  # type: ignore[untyped-decorator]
    async def on_authorize(self, id_tag: str) -> call_result.Authorize:
        """Answer, or ask whoever knows."""
        if self._above.link is None:
            return call_result.Authorize(id_tag_info={"status": status(id_tag)})
        answer = await self._above.link.call(call.Authorize(id_tag=id_tag))
        return call_result.Authorize(id_tag_info=answer.id_tag_info)

    @on(Action.boot_notification)  # type: ignore[untyped-decorator]
    async def on_boot_notification(self, **_: object) -> call_result.BootNotification:
        """Accept it."""
        answer = decision("BootNotification", {})
        return call_result.BootNotification(answer["currentTime"], answer["interval"], answer["status"])

    @on(Action.heartbeat)  # type: ignore[untyped-decorator]
    async def on_heartbeat(self) -> call_result.Heartbeat:
        """Tell the time."""
        return call_result.Heartbeat(current_time=decision("Heartbeat", {})["currentTime"])

    @on(Action.status_notification)  # type: ignore[untyped-decorator]
    async def on_status_notification(self, **_: object) -> call_result.StatusNotification:
        """Take note."""
        return call_result.StatusNotification()

    @on(Action.meter_values)  # type: ignore[untyped-decorator]
    async def on_meter_values(self, **_: object) -> call_result.MeterValues:
        """Take note."""
        return call_result.MeterValues()

    @on(Action.start_transaction)  # type: ignore[untyped-decorator]
    async def on_start_transaction(self, id_tag: str, **_: object) -> call_result.StartTransaction:
        """Begin."""
        return call_result.StartTransaction(transaction_id=1, id_tag_info={"status": status(id_tag)})

    @on(Action.stop_transaction)  # type: ignore[untyped-decorator]
    async def on_stop_transaction(self, **_: object) -> call_result.StopTransaction:
        """End."""
        return call_result.StopTransaction()

    async def until_closed(self) -> None:
        """Take what comes until the connection is closed."""
        try:
            await self.start()
        except ConnectionClosed:
            return


@asynccontextmanager
async def serve(options: Options) -> AsyncIterator[str | None]:
    """See Kind."""
    above = Above()
    if options.upstream is not None:
        connection = await connect(dialled(options), subprotocols=SUBPROTOCOLS, proxy=None)
        party = Party("upstream", connection, Above())
        pump = asyncio.create_task(party.until_closed())
        if options.role == "home":
            say("linked")
            yield None
            pump.cancel()
            return
        above.link = party

    async def receive(connection: ServerConnection) -> None:
        assert connection.request is not None, "past the handshake"
        path = connection.request.path
        party = Party(path, connection, above)
        if options.ask_home and path.endswith(HOME_PATH):
            above.link = party
        await party.until_closed()

    server = await listen(receive, HOST, 0, subprotocols=SUBPROTOCOLS)
    yield f"ws://{HOST}:{server.sockets[0].getsockname()[1]}/ocpp"


if __name__ == "__main__":
    run(serve)
