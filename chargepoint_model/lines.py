"""Errands that come as lines of JSON on a file descriptor, such as standard input."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from chargepoint_model.commands import Errand


class _Driver(BaseModel):
    """One line."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)

    id_tag: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,20}$")]
    authorizations: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    session: bool = True
    energy_wh: Annotated[int, Field(ge=1, le=1_000_000)] = 7400


async def errands(descriptor: int, on_fault: Callable[[str], None]) -> AsyncIterator[Errand]:
    """The errands, as they come, until the descriptor ends.

    Args:
        descriptor: what to read; its lines are JSON objects.
        on_fault: told what is wrong with a line that is no errand; the next is read all the same.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        with os.fdopen(os.dup(descriptor), "rb") as source:
            for line in source:
                loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, b"")

    # a daemon's read does not keep the process from ending when the link is lost
    threading.Thread(target=read, daemon=True).start()
    while line := await lines.get():
        try:
            driver = _Driver.model_validate_json(line)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
            on_fault("; ".join(f"{'.'.join(map(str, f['loc'])) or 'line'}: {f['msg']}" for f in faults))
            continue
        yield Errand(
            driver.id_tag,
            authorizations=driver.authorizations,
            session=driver.session,
            energy_wh=driver.energy_wh,
        )
