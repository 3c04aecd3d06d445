"""What the command line lets a charge point do: stay and charge, or charge on errands and report."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from cascade.errors import CallTimeoutError, LinkLostError
from chargepoint_model import visit
from chargepoint_model.authorizer import Authorization
from chargepoint_model.behaviour import EventRefusedError, State
from chargepoint_model.charger import Charger
from chargepoint_model.session import Session

log = structlog.get_logger()

T = TypeVar("T")

SESSION_TIMEOUT_S = 120.0
"""How long a session without waiting may take until all of it has been answered."""


# --- errands ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Errand:
    """What `charge` is to do."""

    id_tag: str
    connector: int = 1
    authorizations: int = 1
    """How many, one after the other, 1 or more."""
    session: bool = True
    """Whether the driver charges, if the last answer lets it."""
    energy_wh: int = 7400


@dataclass(slots=True)
class Report:
    """What became of an errand."""

    charge_point_id: str
    id_tag: str
    authorizations: list[Authorization] = field(default_factory=list)
    session: Session | None = None

    def document(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "chargePointId": self.charge_point_id,
            "idTag": self.id_tag,
            "authorizations": [_authorization(one) for one in self.authorizations],
            "session": None if self.session is None else self.session.document(),
        }


def _authorization(authorization: Authorization) -> dict[str, Any]:
    return {
        "status": authorization.status,
        "ms": round(authorization.ms, 3),
        "at_ns": authorization.at_ns,
    }


async def charge(charger: Charger, errand: Errand) -> Report:
    """Link, do the errand, and go.

    Raises:
        LinkLostError: the central system could not be reached, or was lost.
        CallTimeoutError: it did not answer the session's messages.
    """
    return await _while_linked(charger, _do(charger, errand))


async def serve(charger: Charger, errands: AsyncIterator[Errand], tell: Callable[[Report], None]) -> None:
    """Link, do each errand as it comes, and go when there are no more.

    Raises:
        LinkLostError: the central system could not be reached, or was lost.
        CallTimeoutError: it did not answer a session's messages.
    """

    async def work() -> None:
        await charger.booted.wait()
        async for errand in errands:
            tell(await _do(charger, errand))

    await _while_linked(charger, work())


async def _do(charger: Charger, errand: Errand) -> Report:
    await charger.booted.wait()
    await charger.station.outbox.empty()  # nothing of ours is in the way of what is measured
    report = Report(charger.station.settings.identity, errand.id_tag)
    for _ in range(errand.authorizations):
        report.authorizations.append(await charger.authorizer.ask(errand.id_tag))
    last = report.authorizations[-1]
    if last.driver is not None and errand.session:
        connector = charger.station.connectors[errand.connector]
        try:
            async with asyncio.timeout(SESSION_TIMEOUT_S):
                report.session = visit.begin(connector, last.driver)
                await visit.to_the_end(charger.station, connector, errand.energy_wh)
                await charger.station.outbox.empty()
        except TimeoutError:
            raise CallTimeoutError("the session", sent=True) from None
    return report


async def _while_linked(charger: Charger, work: Coroutine[Any, Any, T]) -> T:
    """Do something on one link, which must hold for as long as it takes."""
    speaking, working = asyncio.create_task(charger.speak()), asyncio.create_task(work)
    try:
        await asyncio.wait({speaking, working}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            speaking.result()
            raise LinkLostError(f"the link to {charger.station.settings.url} was lost")
        return working.result()
    finally:
        working.cancel()
        await charger.switch_off()
        speaking.cancel()
        await asyncio.gather(speaking, working, return_exceptions=True)


# --- staying ------------------------------------------------------------------------------------------------


async def stay(charger: Charger, id_tags: Sequence[str], *, pause_s: int) -> None:
    """Stay linked and charge with the tags in turn, until cancelled; then stop in order.

    Args:
        charger: the charge point.
        id_tags: whose drivers come, one after the other, on the connectors in turn; none may come.
        pause_s: model seconds between a driver who leaves and the next who comes.
    """
    linking = asyncio.create_task(charger.run())
    charger.station.spawn(drive(charger, id_tags, pause_s=pause_s, tell=lambda _: None))
    try:
        await asyncio.wait({linking})
        linking.result()
    finally:
        await charger.switch_off()
        linking.cancel()
        await asyncio.gather(linking, return_exceptions=True)


async def drive(
    charger: Charger, id_tags: Sequence[str], *, pause_s: int, tell: Callable[[Authorization], None]
) -> None:
    """Let drivers come for ever, link or no link, once the charge point has been accepted.

    Args:
        charger: the charge point.
        id_tags: whose drivers come, one after the other, on the connectors in turn; none may come.
        pause_s: model seconds between a driver who leaves and the next who comes.
        tell: told what became of each tag.
    """
    station, connectors = charger.station, itertools.cycle(charger.station.connectors.values())
    await charger.booted.wait()
    for id_tag in itertools.cycle(id_tags):
        connector = next(connectors)
        if connector.state is State.AVAILABLE:
            try:
                visit.arrive(connector)
                authorization = await charger.authorizer.present(connector, id_tag)
                if authorization is not None:
                    tell(authorization)
                if connector.session is not None:
                    await visit.charge(station, connector, station.settings.energy_wh)
            except EventRefusedError as error:
                log.warning("visit_failed", connector=connector.number, because=str(error))
            visit.leave(connector)
        await station.time.wait(pause_s, until=asyncio.Event())
