"""Running a service as a process: until it is told to stop, with tracing switched by a signal."""

import asyncio
import gc
import signal
import ssl
import sys
from collections.abc import Collection, Coroutine
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import uvloop
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from cascade.errors import CascadeError, SetupError
from cascade.trace import FrameTrace

S = TypeVar("S", bound=BaseSettings)
T = TypeVar("T")

EXIT_FAILED, EXIT_MISCONFIGURED = 1, 2

FULL_COLLECTION_EVERY = 100
"""Collections of the middle generation of garbage between two full ones; ten by default."""


class Service(Protocol):
    """What runs as a process."""

    trace: FrameTrace

    async def start(self) -> None:
        """Begin to serve."""
        ...

    async def broken(self) -> None:
        """Wait for a part that must not end to end, and raise what it ended with."""
        ...

    async def stop(self) -> None:
        """Finish what is in work and leave nothing running."""
        ...


async def until_stopped(service: Service) -> None:
    """Start, wait for SIGTERM or SIGINT, stop; SIGUSR1 switches frame tracing on and off.

    A service of which a part has broken ends, rather than carry on half alive: whoever watches the process
    starts it again.
    """
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.add_signal_handler(signal.SIGINT, told.set)
    loop.add_signal_handler(signal.SIGUSR1, service.trace.switch)
    await service.start()
    # a collection that walks what stays, or every link, holds up drivers for tens of milliseconds
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], FULL_COLLECTION_EVERY)
    waiting = [asyncio.create_task(told.wait()), asyncio.create_task(service.broken())]
    try:
        ended, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await service.stop()


async def first_to_end(parts: Collection[asyncio.Task[None]]) -> None:
    """Wait until one of these tasks ends, which none should, and raise what it ended with."""
    ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    for task in ended:
        task.result()


def run_or_exit(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine; an expected error ends it with one line on standard error and exit code 1."""
    try:
        return uvloop.run(main)
    except CascadeError as error:
        fail(str(error), EXIT_FAILED)
    except OSError as error:
        fail(f"the address cannot be had: {error}" if error.errno else str(error), EXIT_FAILED)


def load_settings(settings: type[S], **given: Any) -> S:  # noqa: ANN401 - each setting has its own type
    """Settings from the environment, overridden by what was `given`; None means not given.

    A setting that does not hold ends the process with a line that names it, and exit code 2.
    """
    try:
        return settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        prefix = settings.model_config.get("env_prefix", "")
        lines = [
            f"{prefix}{'_'.join(str(step) for step in fault['loc'])}".upper() + f": {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        fail("these settings do not hold:\n  " + "\n  ".join(lines), EXIT_MISCONFIGURED)


def fail(message: str, code: int) -> NoReturn:
    """End the process with a message for its user."""
    sys.stderr.write(message + "\n")
    raise SystemExit(code)


def server_tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """The context of a server that speaks wss://; None without a certificate.

    Raises:
        SetupError: the files cannot be used.
    """
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(f"the certificate {certificate} and its key cannot be used: {error}") from error
    return context
