"""What the baselines have in common: their command line, what they say when they are ready, and their answers.

A chain has one to three hops, as the scenarios have: `central` alone; `central` before a `hub` or a `home`;
`central`, `hub` and `home`. Whoever has nobody to ask answers.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, cast

import orjson
import uvloop

SUBPROTOCOL = "ocpp1.6"
HOST = "127.0.0.1"
HOME_PATH = "/home"
"""How the path ends on which a home dials its hub."""
CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4
MAX_IN_FLIGHT = 1024
"""What queues of libraries are widened to, where they would hold up calls that are in flight."""

Role = Literal["central", "hub", "home"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a process is in the chain."""

    role: Role
    upstream: str | None
    """Whom it dials: its URL."""
    ask_home: bool
    """Whether a hub asks the home operator, rather than answer itself."""


class Kind(Protocol):
    """How a kind of baseline serves: from entry to exit.

    It is entered with the URL that it listens at, or with None if it only dials.
    """

    def __call__(self, options: Options) -> AbstractAsyncContextManager[str | None]:
        """Serve as `options` say."""
        ...


def dialled(given: Options) -> str:
    """The URL that a home or a central dials, of one that has an upstream."""
    assert given.upstream is not None, "has one"
    return given.upstream + (HOME_PATH if given.role == "home" else "/central")


def options(arguments: Sequence[str]) -> Options:
    """Read a command line; ends the process if it makes no sense."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--role", choices=("central", "hub", "home"), required=True)
    parser.add_argument("--upstream", help="whom to dial")
    parser.add_argument("--ask-home", action="store_true", help="as a hub: ask the home operator")
    given = parser.parse_args(arguments)
    return Options(cast("Role", given.role), given.upstream, given.ask_home)


def run(kind: Kind) -> None:
    """Serve until SIGTERM. The first line on standard error says where."""
    uvloop.run(_run(kind, options(sys.argv[1:])))


async def _run(kind: Kind, given: Options) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with kind(given) as url:
        if url is not None:
            say("listening", url=url)
        await told.wait()


def say(event: str, **facts: str) -> None:
    """A line for whoever watches the process."""
    sys.stderr.write(orjson.dumps({"event": event, **facts}).decode() + "\n")
    sys.stderr.flush()


def status(tag: str) -> str:
    """What every baseline decides."""
    return "Invalid" if tag.startswith("DENY") else "Accepted"


def decision(action: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is answered to a charge point, by whoever answers."""
    match action:
        case "Authorize":
            return {"idTagInfo": {"status": status(payload["idTag"])}}
        case "StartTransaction":
            return {"transactionId": 1, "idTagInfo": {"status": status(payload["idTag"])}}
        case "BootNotification":
            return {"status": "Accepted", "interval": 300, **decision("Heartbeat", {})}
        case "Heartbeat":
            return {"currentTime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")}
        case _:
            return {}


def answer(call: Sequence[Any]) -> bytes:
    """The CALLRESULT to a CALL."""
    return orjson.dumps((CALL_RESULT, call[1], decision(call[2], call[3])))
