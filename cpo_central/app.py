"""The composition root: builds the parts of a central system and joins them."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import structlog

from cascade.errors import SetupError
from cascade.exchange import answering
from cascade.link import LinkLimits
from cascade.roaming.cdrs import Cdr, CdrBatch, CdrStatus, CdrStatusBatch
from cascade.roaming.endpoints import PublishEndpoint
from cascade.roaming.tokens import WhitelistChanged
from cascade.service import first_to_end, server_tls
from cascade.trace import FrameTrace
from cpo_central.cdrs.delivery import Delivery, StatusDesk
from cpo_central.cdrs.intake import Intake
from cpo_central.cdrs.outbox import Outbox
from cpo_central.chargers import server as charger_server
from cpo_central.chargers.acceptance import Registration
from cpo_central.chargers.charge_points import ChargePointStore
from cpo_central.chargers.desk import ChargerDesk, Intervals
from cpo_central.chargers.events import Events
from cpo_central.chargers.gate import ChargerGate
from cpo_central.chargers.local_lists import LocalLists
from cpo_central.chargers.notice_desk import NoticeDesk
from cpo_central.chargers.notices import NoticeStore
from cpo_central.chargers.server import ChargerServer
from cpo_central.chargers.transactions import TransactionStore
from cpo_central.drivers.authorization import Mode
from cpo_central.drivers.authorizer import Authorizer
from cpo_central.drivers.tokens import TokenStore
from cpo_central.drivers.users import UserStore
from cpo_central.drivers.whitelist import WhitelistStore
from cpo_central.rest.api_keys import ApiKeyStore
from cpo_central.roaming import peer_server
from cpo_central.roaming.home import Home
from cpo_central.roaming.hub_client import HubAddress, HubClient
from cpo_central.roaming.peer_client import PeerClient
from cpo_central.roaming.peer_server import PeerServer
from cpo_central.roaming.publication import Publication
from cpo_central.roaming.replication import Replication
from cpo_central.roaming.ticket_key import TicketKeyStore
from cpo_central.schema import open_database
from cpo_central.settings import CentralSettings, client_tls

if TYPE_CHECKING:
    from cpo_central.rest.server import RestServer

log = structlog.get_logger()

_NEWCOMERS = {
    "accept": Registration.ACCEPTED,
    "pending": Registration.PENDING,
    "reject": Registration.REJECTED,
}

GRACE_S = 10
"""How long what is being answered may take when we stop."""


class Central:
    """One central system.

    Args:
        settings: all of them.

    Raises:
        SetupError: the database or a certificate cannot be used; the text says what to do.
    """

    def __init__(self, settings: CentralSettings) -> None:
        self._settings = settings
        self._server_tls = server_tls(settings.tls_certificate, settings.tls_key)
        self._client_tls = client_tls(settings)
        self.trace = FrameTrace(settings.operator_id)
        self._database = open_database(settings.database)
        self._tasks: list[asyncio.Task[None]] = []
        limits = LinkLimits(call_timeout_s=settings.call_timeout_s)
        tokens, outbox = TokenStore(self._database), Outbox(self._database)
        whitelist = WhitelistStore(self._database)
        ticket_key = TicketKeyStore(self._database)
        replication = Replication(whitelist) if Mode.WHITELIST in settings.modes else None
        self._home = Home(tokens, Intake(self._database))
        self._hub = HubClient(
            handlers=_hub_handlers(self._home, outbox, replication),
            limits=limits,
            trace=self.trace,
            relink_s=(settings.relink_base_s, settings.relink_cap_s),
            publication=Publication(tokens),
            replication=replication,
            keep_ticket_key=ticket_key.keep,
            on_link=lambda: self._delivery.hub_is_back(),  # noqa: PLW0108 - it is made below
        )
        self._peers = PeerClient(
            operator_id=settings.operator_id,
            directory=self._hub,
            limits=limits,
            trace=self.trace,
            idle_s=settings.peer_idle_s,
            tls=self._client_tls,
        )
        self._delivery = Delivery(
            store=outbox,
            hub=self._hub,
            peers=self._peers,
            retry_s=(settings.cdr_retry_base_s, settings.cdr_retry_cap_s),
        )
        self._authorizer = Authorizer(
            tokens=tokens, whitelist=whitelist, modes=settings.modes, hub=self._hub, peers=self._peers
        )
        self.charge_points = ChargePointStore(self._database, _NEWCOMERS[settings.new_charge_points])
        self._events = Events()
        desk = ChargerDesk(
            charge_points=self.charge_points,
            transactions=TransactionStore(self._database, settings.operator_id),
            authorizer=self._authorizer,
            events=self._events,
            intervals=Intervals(settings.heartbeat_interval_s, settings.boot_retry_interval_s),
            on_cdr=self._delivery.wake,
        )
        notices = NoticeStore(self._database)
        notice_desk = NoticeDesk(charge_points=self.charge_points, notices=notices)
        gate = ChargerGate(self.charge_points, required=settings.charger_credentials == "required")
        self.chargers = ChargerServer(
            gate=gate.admit,
            operations={**desk.operations, **notice_desk.operations},
            charge_points=self.charge_points,
            events=self._events,
            limits=limits,
            trace=self.trace,
        )
        self._peer_server = PeerServer(
            operator_id=settings.operator_id,
            ticket_key=ticket_key,
            home=self._home,
            limits=limits,
            trace=self.trace,
        )

        self._rest = None if settings.rest_port is None else self._make_rest(tokens, notices)

    def _make_rest(self, tokens: TokenStore, notices: NoticeStore) -> "RestServer":
        # whoever has no use for it need not wait for its packages to load
        from cpo_central.rest.api import create
        from cpo_central.rest.parts import Parts
        from cpo_central.rest.server import RestServer

        parts = Parts(
            database=self._database,
            keys=ApiKeyStore(self._database),
            tokens=tokens,
            tokens_changed=self._hub.tokens_may_have_changed,
            users=UserStore(self._database),
            charge_points=self.charge_points,
            notices=notices,
            chargers=self.chargers,
            local_lists=LocalLists(chargers=self.chargers, charge_points=self.charge_points, tokens=tokens),
            events=self._events,
        )
        return RestServer(create(parts), grace_s=GRACE_S)

    @property
    def port(self) -> int:
        """The port for chargers."""
        return self.chargers.port

    @property
    def peer_port(self) -> int | None:
        """The port for peers, if there is a peer server."""
        return None if self._settings.peer_port is None else self._peer_server.port

    @property
    def rest_port(self) -> int | None:
        """The port of the REST interface, if there is one."""
        return None if self._rest is None else self._rest.port

    async def start(self) -> None:
        """Listen, and link to the hub.

        Raises:
            SetupError: an address cannot be had; nothing is left running.
        """
        try:
            peer_url = await self._listen()
        except SetupError:
            await self.stop()
            raise
        settings = self._settings
        self._run(self._watch())
        self._run(self._delivery.run())
        self._run(self._home.run())
        if self._rest is not None:
            self._run(self._rest.run())
        if settings.hub_url is not None and settings.hub_credential is not None:
            address = HubAddress(
                url=settings.hub_url,
                operator_id=settings.operator_id,
                credential=settings.hub_credential.get_secret_value(),
                tls=self._client_tls,
            )
            endpoint = PublishEndpoint(url=peer_url, id_tag_prefixes=settings.id_tag_prefixes)
            self._run(self._hub.keep(address, endpoint))

    async def _listen(self) -> str | None:
        """Open our servers; returns the URL that peers shall use."""
        settings, tls, peer_url = self._settings, self._server_tls, None
        port, name = settings.port, "CPO_PORT"
        try:
            await self.chargers.start(settings.host, port, tls)
            if settings.peer_port is not None:
                port, name = settings.peer_port, "CPO_PEER_PORT"
                await self._peer_server.start(settings.peer_host, port, tls)
                peer_url = settings.peer_url or self._url(
                    settings.peer_host, self._peer_server.port, peer_server.PREFIX
                )
            if self._rest is not None and settings.rest_port is not None:
                port, name = settings.rest_port, "CPO_REST_PORT"
                self._rest.listen(settings.rest_host, port, tls)
        except OSError as error:
            raise SetupError(f"cannot listen on port {port}: {error}; set {name} to another") from error
        url = self._url(settings.host, self.chargers.port, charger_server.PREFIX)
        log.info("listening", url=url, peer_url=peer_url, rest_port=self.rest_port)
        return peer_url

    def _url(self, host: str, port: int, path: str) -> str:
        return f"{self._settings.scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _watch(self) -> None:
        """Notice what the command line has changed in the database."""
        while True:
            await asyncio.sleep(self._settings.poll_s)
            if await self._database.changed_elsewhere():
                self._hub.tokens_may_have_changed()
                self._delivery.wake()
                await self.charge_points.refresh()

    async def broken(self) -> None:
        """Wait for a part that must not end to end, and raise what it ended with."""
        await first_to_end(self._tasks)

    async def stop(self) -> None:
        """Answer what is being asked, and close everything."""
        log.info("stopping")
        self._events.close()
        # commands that wait for a charger's answer end with its link
        await asyncio.gather(
            self.chargers.stop(GRACE_S),
            self._peer_server.stop(GRACE_S),
            *([] if self._rest is None else [self._rest.stop()]),
        )
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                log.error("part_failed", exc_info=outcome)
        self._tasks.clear()
        await self._peers.stop()
        await self._home.stop()
        await self._database.close()


def _hub_handlers(home: Home, outbox: Outbox, replication: Replication | None) -> dict[str, Any]:
    """What we answer on the hub link."""
    statuses = StatusDesk(outbox)
    answers: dict[Any, Any] = {
        Cdr: home.cdr(None),
        CdrBatch: home.cdr_batch(None),
        CdrStatus: statuses.note,
        CdrStatusBatch: statuses.note_batch,
    }
    if replication is not None:
        answers[WhitelistChanged] = replication.changed
    return {"Authorize": home.authorize(None), "DataTransfer": answering(answers)}
