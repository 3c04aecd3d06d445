"""Central systems that are wrong on purpose: raw sockets that answer as they are told to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

import orjson
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from cascade.errors import BadResultError
from cascade.frames import Payload
from cascade.ocpp16 import ACTIONS, check_result, result_schema
from chargepoint_model.conformance import schemas

NOW = "2026-01-01T00:00:00Z"

Answers = Callable[[Connection, str | bytes], Sequence[str | bytes]]


@asynccontextmanager
async def serving(answers: Answers) -> AsyncIterator[str]:
    """Its URL, while it listens; an `answers` with a method `refuses` is asked before the upgrade."""
    refuses = getattr(answers, "refuses", lambda _: False)

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(HTTPStatus.FORBIDDEN, "no") if refuses(request.path) else None

    async def speak(connection: ServerConnection) -> None:
        try:
            async for message in connection:
                for answer in answers(connection, message):
                    await connection.send(answer)
        except ConnectionClosed:
            pass

    async with serve(
        speak,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("ocpp1.6")],
        process_request=admit,
        max_size=None,
        close_timeout=1,
    ) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


def plausible(action: str) -> Payload:
    """A result that is right by the schema, and says yes."""
    if action not in ACTIONS:
        return {}
    times = ("currentTime", "expiryDate", "scheduleStart", "startSchedule")
    return schemas.complete(result_schema(action), dict.fromkeys(times, NOW))


def reluctant(action: str) -> Payload:
    """One that says no, where there is a way to."""
    result = plausible(action)
    refusal = {**result, "status": "Rejected"}
    return refusal if action in ACTIONS and _is_right(action, refusal) else result


def _is_right(action: str, result: Payload) -> bool:
    try:
        check_result(action, result)
    except BadResultError:
        return False
    return True


Result = Callable[[str], Payload | None]
"""What an action is answered with; None: it is not supported."""


def lax(_: Connection, message: str | bytes, result: Result = plausible) -> list[str]:
    """Answers everything with a CALLRESULT, a plausible one by default."""
    try:
        frame = orjson.loads(message)
    except orjson.JSONDecodeError:
        frame = None
    match frame:
        case [_, message_id, str(action), *_]:
            payload = result(action)
            refusal = [4, message_id, "NotSupported", "", {}]
            return [orjson.dumps(refusal if payload is None else [3, message_id, payload]).decode()]
        case _:
            return [orjson.dumps([3, "?", {}]).decode()]


def silent(_: Connection, __: str | bytes) -> list[str]:
    """Answers nothing."""
    return []


def garbage(_: Connection, __: str | bytes) -> list[str]:
    """Answers what is no frame."""
    return ["<html>502 Bad Gateway</html>"]


class Tardy:
    """Answers heartbeats at once and everything else later, not in order."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, connection: Connection, message: str | bytes) -> list[str]:
        answers = lax(connection, message)
        if b'"Heartbeat"' in (message if isinstance(message, bytes) else message.encode()):
            return answers
        task = asyncio.create_task(self._later(connection, answers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return []

    async def _later(self, connection: Connection, answers: list[str]) -> None:
        await asyncio.sleep(self._delay_s)
        for answer in answers:
            await connection.send(answer)


def touchy(connection: Connection, message: str | bytes) -> list[str]:
    """Ends the connection when it does not like something: here, whatever is no Core message."""
    answers = lax(connection, message)
    if answers[0].startswith('[3,"?"'):
        connection.transport.abort()
        return []
    return answers


class Once:
    """Ends the connection at the first fault, and lets nobody in again."""

    def __init__(self) -> None:
        self._cut = False

    def refuses(self, _: str) -> bool:
        return self._cut

    def __call__(self, connection: Connection, message: str | bytes) -> list[str]:
        answers = touchy(connection, message)
        self._cut = not answers
        return answers


class Picky:
    """Lets one charge point in and nobody else."""

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def refuses(self, path: str) -> bool:
        return path != f"/{self._identity}"

    def __call__(self, connection: Connection, message: str | bytes) -> list[str]:
        return lax(connection, message)
