"""Live status, as server-sent events (HTML standard, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from cascade.roaming.model import utc_text
from cpo_central.chargers.events import Event, Events
from cpo_central.rest.access import protected
from cpo_central.rest.api_keys import Role
from cpo_central.rest.parts import Given

router = APIRouter(prefix="/api/v1/events", tags=["events"])

HEARTBEAT_S = 15.0
"""How long nothing is said, so that both sides know that the other is there."""

MEDIA_TYPE = "text/event-stream"

EXAMPLE = """event: connected
data: {"chargePointId":"CP-1","at":"2030-01-01T00:00:00Z","details":{}}

"""


def _options() -> dict[str, Any]:
    options = protected(Role.READ)
    content = {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}}
    options["responses"][200] = {"description": "Events, until one side leaves.", "content": content}
    return options


@router.get(
    "",
    summary="What happens at the chargers, as it happens",
    response_class=StreamingResponse,
    **_options(),
)
async def events(
    parts: Given,
    charge_point_id: Annotated[
        str | None, Query(alias="chargePointId", description="Only of this one.")
    ] = None,
) -> StreamingResponse:
    """Server-sent events, each with `chargePointId`, `at` and `details` in OCPP's words.

    They are connected, disconnected, status, transaction-started, transaction-stopped and meter-values.
    Every 15 s without one there is a comment. Nothing is kept for who was away, and who takes them too slowly
    is dropped: connect again, and read how things stand.
    """
    return StreamingResponse(
        _stream(parts.events, charge_point_id), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"}
    )


async def _stream(source: Events, charge_point_id: str | None) -> AsyncIterator[bytes]:
    with source.watching() as watch:
        yield b": watching\n\n"
        while True:
            try:
                event = await asyncio.wait_for(watch.get(), HEARTBEAT_S)
            except TimeoutError:
                yield b": nothing new\n\n"
                continue
            if event is None:
                return
            if charge_point_id in {None, event.charge_point_id}:
                yield _message(event)


def _message(event: Event) -> bytes:
    data = orjson.dumps(
        {
            "chargePointId": event.charge_point_id,
            "at": utc_text(event.at),
            "details": event.details,
        }
    )
    return b"event: %b\ndata: %b\n\n" % (event.kind.encode(), data)
