"""Our link to the hub: dialled outbound, kept, and told everything anew each time.

On a link the order is: BootNotification, our endpoint and prefixes, our tokens, then the whitelist; from then
on heartbeats, and what changes. Everything of a link dies with it. A step that gets no answer is repeated on
the same link; one that the hub refuses is logged, and the others go on.
"""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from cascade.client import TakenOverError, backoff, basic, dial, keep_linked, link_url
from cascade.errors import CallFailed, CallTimeoutError, LinkLostError, RoamingRefused, StoreError
from cascade.exchange import ask
from cascade.handover import hand_over
from cascade.link import TAKEN_OVER, Handler, Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL, WINDOWED_SUBPROTOCOL
from cascade.roaming.cdrs import Cdr, CdrReceipt
from cascade.roaming.endpoints import EndpointPublished, LookupEndpoint, PublishEndpoint, Referral
from cascade.roaming.model import Refusal
from cascade.trace import FrameTrace
from cpo_central.drivers.authorizer import Upstream
from cpo_central.roaming.home import HUB
from cpo_central.roaming.publication import Publication
from cpo_central.roaming.replication import Replication

log = structlog.get_logger()

MAX_SIZE = 2**20
"""The largest message on hub and peer links, in bytes."""

BOOT = {"chargePointVendor": "nap-cascade", "chargePointModel": "central-system"}
"""How a central system introduces itself; each at most 20 characters (OCPP 1.6, section 6.3)."""


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where the hub is, and how we identify ourselves there."""

    url: str
    operator_id: str
    credential: str
    tls: ssl.SSLContext


class HubClient:
    """Our end of the link to the hub.

    Args:
        handlers: what we answer on it.
        limits: time-outs and sizes of it.
        trace: shows its frames.
        relink_s: the first and the longest wait before anything is tried again, in seconds.
        publication: our tokens.
        replication: the whitelist replica; None if we do not keep one.
        keep_ticket_key: keeps the key (PEM) that verifies peers' tickets.
        on_link: told each time that the hub can be asked again.
    """

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        limits: LinkLimits,
        trace: FrameTrace,
        relink_s: tuple[float, float],
        publication: Publication,
        replication: Replication | None,
        keep_ticket_key: Callable[[str], Awaitable[None]],
        on_link: Callable[[], None],
    ) -> None:
        self._handlers = handlers
        self._limits = limits
        self._trace = trace
        self._relink_s = relink_s
        self._publication = publication
        self._replication = replication
        self._keep_ticket_key = keep_ticket_key
        self._on_link = on_link
        self._rng = random.SystemRandom()
        self._link: Link | None = None
        self._tokens_changed = asyncio.Event()

    # --- what others ask of it ------------------------------------------------------------------------------

    @property
    def linked(self) -> bool:
        """Whether the hub can be asked."""
        return self._link is not None and not self._link.lost

    def _linked(self) -> Link:
        if self._link is None or self._link.lost:
            raise LinkLostError("not linked to the hub")
        return self._link

    async def authorize(self, id_tag: str) -> Upstream:
        """Ask the hub about a driver.

        Raises:
            CallFailed: it did not answer.
        """
        link = self._linked()
        message_id = link.new_message_id()
        answer = await link.call("Authorize", {"idTag": id_tag}, message_id=message_id)
        return Upstream(answer["idTagInfo"], message_id)

    async def lookup(self, id_tag: str) -> Referral:
        """Ask the hub who may be asked about a driver.

        Raises:
            RoamingRefused: nobody.
            CallFailed: it did not answer.
        """
        return await ask(self._linked(), LookupEndpoint(id_tag=id_tag), Referral)

    async def deliver(self, cdrs: Sequence[Cdr]) -> Sequence[CdrReceipt | Refusal]:
        """Give the hub CDRs: see `hand_over`."""
        return await hand_over(partial(ask, self._linked()), cdrs)

    def tokens_may_have_changed(self) -> None:
        """Look whether there is something to publish."""
        if self._publication.pending:
            self._tokens_changed.set()

    # --- the link -------------------------------------------------------------------------------------------

    async def keep(self, address: HubAddress, endpoint: PublishEndpoint) -> None:
        """Be linked for ever.

        Args:
            address: where to dial.
            endpoint: what we publish about ourselves.
        """
        base_s, cap_s = self._relink_s
        await keep_linked(
            lambda: self._session(address, endpoint), name=HUB, base_s=base_s, cap_s=cap_s, rng=self._rng
        )

    async def _session(self, address: HubAddress, endpoint: PublishEndpoint) -> None:
        connection = await dial(
            link_url(address.url, address.operator_id),
            subprotocols=(WINDOWED_SUBPROTOCOL, SUBPROTOCOL),
            max_size=MAX_SIZE,
            authorization=basic(address.operator_id, address.credential),
            tls=address.tls if address.url.startswith("wss:") else None,
        )
        link = Link(connection, peer=HUB, handlers=self._handlers, limits=self._limits, trace=self._trace)
        window = self._limits.window if connection.subprotocol == WINDOWED_SUBPROTOCOL else 1
        reading = asyncio.create_task(link.run())
        talking = asyncio.create_task(self._talk(link, endpoint, window))
        try:
            await asyncio.wait((reading, talking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._link = None
            talking.cancel()
            await link.close()
            reason, talked = await asyncio.gather(reading, talking, return_exceptions=True)
        if isinstance(talked, Exception):
            raise talked
        log.info("hub_unlinked", because=str(reason))
        if connection.close_code == TAKEN_OVER:
            raise TakenOverError("another process links as us: let only one use our credential")

    async def _talk(self, link: Link, endpoint: PublishEndpoint, window: int) -> None:
        interval_s = await self._boot(link)
        self._link = link
        log.info("hub_linked", window=window)
        self._on_link()
        async with asyncio.TaskGroup() as duties:
            duties.create_task(_until_lost(self._heartbeats(link, interval_s)))
            duties.create_task(_until_lost(self._publications(link, endpoint)))
            if self._replication is not None:
                duties.create_task(_until_lost(self._pulls(link, self._replication)))

    async def _boot(self, link: Link) -> int:
        """Introduce ourselves; returns the interval of heartbeats in seconds."""
        try:
            answer = await link.call("BootNotification", BOOT)
        except CallFailed as error:
            raise LinkLostError(f"the hub did not answer our BootNotification: {error}") from error
        if answer["status"] != "Accepted":
            raise LinkLostError(f"the hub answered our BootNotification with {answer['status']}")
        interval_s: int = max(1, answer["interval"])
        return interval_s

    async def _heartbeats(self, link: Link, interval_s: int) -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await link.call("Heartbeat", {})
            except CallTimeoutError:
                log.warning("hub_silent", because="it did not answer a Heartbeat")
                await link.close()

    async def _publications(self, link: Link, endpoint: PublishEndpoint) -> None:
        await self._insist("PublishEndpoint", lambda: self._publish_endpoint(link, endpoint))
        while True:
            self._tokens_changed.clear()
            await self._insist("PublishTokens", lambda: self._publication.publish(link))
            await self._tokens_changed.wait()

    async def _publish_endpoint(self, link: Link, endpoint: PublishEndpoint) -> None:
        answer = await ask(link, endpoint, EndpointPublished)
        await self._keep_ticket_key(answer.ticket_key)
        for prefix in answer.rejected:
            log.warning("prefix_rejected", prefix=prefix.id_tag_prefix, code=prefix.code, detail=prefix.detail)

    async def _pulls(self, link: Link, replication: Replication) -> None:
        while True:
            await self._insist("PullWhitelist", lambda: replication.pull(link))
            await replication.behind.wait()

    async def _insist(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step until the hub has answered it."""
        for wait_s in backoff(*self._relink_s, self._rng):
            try:
                await step()
            except LinkLostError:
                raise
            except RoamingRefused as refused:
                log.warning("hub_refused", what=what, because=str(refused))
            except (CallFailed, StoreError) as error:
                log.warning("hub_step_failed", what=what, because=str(error), wait_s=round(wait_s, 3))
                await asyncio.sleep(wait_s)
                continue
            return


async def _until_lost(duty: Awaitable[None]) -> None:
    """A duty ends with its link; that the link is gone is told by the one who reads it."""
    try:
        await duty
    except LinkLostError:
        return
