"""Drivers at a charge point: who may begin and end, asked of the central system or known here.

What is known here (OCPP 1.6, section 3.4) counts while nobody can be asked, and, where LocalPreAuthorize says
so, saves the question for a tag that is known as Accepted.
"""

import contextlib
import time
from typing import NamedTuple

import structlog

from cascade.errors import BadResultError, CallTimeoutError, LinkLostError, PeerError
from cascade.logs import masked
from cascade.ocpp16 import AuthorizationStatus
from chargepoint_model.behaviour import Driver, Event, EventRefusedError
from chargepoint_model.connector import Connector
from chargepoint_model.local_authorization import TagInfo
from chargepoint_model.station import Station

log = structlog.get_logger()

FAILED = "Error"
"""The decision on a tag when Authorize was not answered with one."""


class Authorization(NamedTuple):
    """What became of one tag."""

    status: str
    """An AuthorizationStatus, or `Error`."""
    ms: float
    """From the request to its response: the paper's authorization time (section 3.4)."""
    at_ns: int
    """The moment of the request, CLOCK_MONOTONIC."""
    driver: Driver | None
    """Who it is, if accepted."""


class Authorizer:
    """Decides about tags.

    Args:
        station: the charge point.
    """

    def __init__(self, station: Station) -> None:
        self._station = station

    async def ask(self, id_tag: str) -> Authorization:
        """Ask the central system about a tag.

        Raises:
            LinkLostError: there is no link, or it was lost meanwhile.
        """
        link, status, parent = self._station.link, FAILED, None
        if link is None or not self._station.outbox.is_open:
            raise LinkLostError("the charge point is not linked: nobody can be asked")
        payload = {"idTag": id_tag}
        at_ns = time.monotonic_ns()
        began = time.perf_counter()
        try:
            answer = await link.call("Authorize", payload)
            ended = time.perf_counter()
        except (PeerError, CallTimeoutError, BadResultError) as error:
            ended = time.perf_counter()
            log.warning("authorize_failed", id_tag=masked(id_tag), because=str(error))
        else:
            status, parent = answer["idTagInfo"]["status"], answer["idTagInfo"].get("parentIdTag")
            self._station.learn(id_tag, answer["idTagInfo"])
        driver = Driver(id_tag, parent) if status == AuthorizationStatus.accepted else None
        return Authorization(status, (ended - began) * 1000, at_ns, driver)

    async def identify(self, id_tag: str) -> Authorization:
        """Find out who a tag is: of the central system, or without it."""
        known = self._station.known(id_tag)
        accepted = known is not None and known.status == AuthorizationStatus.accepted
        if accepted and self._station.configuration.flag("LocalPreAuthorize"):
            return _at_once(id_tag, known)
        try:
            return await self.ask(id_tag)
        except LinkLostError:
            return _at_once(id_tag, self._alone(known))

    def _alone(self, known: TagInfo | None) -> TagInfo | None:
        """What counts while nobody can be asked."""
        keys = self._station.configuration
        if known is None:
            return TagInfo(AuthorizationStatus.accepted) if keys.flag("AllowOfflineTxForUnknownId") else None
        return known if keys.flag("LocalAuthorizeOffline") else None

    async def present(self, connector: Connector, id_tag: str) -> Authorization | None:
        """Hold a tag to a connector's reader; None if its owner needed no question.

        Raises:
            EventRefusedError: no tag is read in the connector's state.
        """
        presented = Driver(id_tag)
        if connector.owner is not None and connector.owner.owns(presented):
            connector.happen(Event.OWNER_RETURNED, presented)
            return None
        connector.happen(Event.TAG_PRESENTED)
        authorization = await self.identify(id_tag)
        with contextlib.suppress(EventRefusedError):  # the connector may have gone on while we asked
            self._answer(connector, authorization.driver)
        return authorization

    def _answer(self, connector: Connector, driver: Driver | None) -> None:
        """Let the answer to a tag happen at a connector that may have an owner already."""
        owner = connector.owner
        if driver is not None and owner is not None and owner.owns(driver):
            connector.happen(Event.OWNER_RETURNED, driver)
        elif driver is not None and owner is None and self._station.admits(connector, driver):
            self._station.accept(connector, driver)
        else:
            connector.happen(Event.TAG_REFUSED)


def _at_once(id_tag: str, info: TagInfo | None) -> Authorization:
    status = FAILED if info is None else info.status
    accepted = info is not None and status == AuthorizationStatus.accepted
    driver = Driver(id_tag, info.parent_id_tag) if info is not None and accepted else None
    return Authorization(status, 0.0, time.monotonic_ns(), driver)
