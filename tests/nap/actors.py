"""Who acts in these tests: a hub in this process, and operators that are linked to it over real sockets."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from argon2 import PasswordHasher

from cascade.client import basic, dial, link_url
from cascade.exchange import answering, ask
from cascade.frames import Call, Frame, Payload
from cascade.link import Handler, Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL, WINDOWED_SUBPROTOCOL
from cascade.roaming.cdrs import (
    Authorization,
    Cdr,
    CdrBatch,
    CdrOutcomes,
    CdrReceipt,
    CdrStatus,
    CdrStatusBatch,
    Noted,
    ReceiptStatus,
)
from cascade.roaming.endpoints import EndpointPublished, PublishEndpoint
from cascade.roaming.model import RoamingModel
from cascade.roaming.tokens import (
    PublishTokens,
    PullWhitelist,
    Token,
    TokensPublished,
    WhitelistApplied,
    WhitelistChanged,
    WhitelistPage,
)
from cascade.trace import FrameTrace
from nap.app import HubApp
from nap.records import Mode, Operator
from nap.settings import HubSettings
from nap.store.sqlite import SqliteStore

M = TypeVar("M", bound=RoamingModel)

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ALL_MODES = tuple(Mode)
SECRET = "correct horse battery staple"
SECRET_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(SECRET)
"""Quick to verify: argon2 takes the costs from the hash."""


def operator(
    operator_id: str,
    *,
    consents: Sequence[Mode] = ALL_MODES,
    wants: Sequence[Mode] = ALL_MODES,
    enabled: bool = True,
) -> Operator:
    return Operator(operator_id, f"{operator_id} Ltd", frozenset(consents), tuple(wants), enabled)


def cdr(visited: str = "C2", id_tag: str = "AB1", **fields: object) -> Cdr:
    given = {
        "session_start": NOW - timedelta(hours=1),
        "session_end": NOW,
        "id_tag": id_tag,
        "meter_start": 1000,
        "meter_stop": 13_500,
        "operator_id": visited,
        "transaction_id": 7,
        "cdr_id": uuid.uuid4(),
        "charge_point_id": "CP-1",
        "connector_id": 1,
        "authorization": Authorization.HUB,
        "authorization_reference": "m-1",
    }
    return Cdr.model_validate(given | fields)


def receipt(message: Cdr, status: ReceiptStatus = ReceiptStatus.ACCEPTED) -> CdrReceipt:
    return CdrReceipt(cdr_id=message.cdr_id, digest=message.digest(), received_at=NOW, status=status)


async def _accept(_: Call) -> Payload:
    return {"idTagInfo": {"status": "Accepted"}}


async def _take(message: Cdr) -> RoamingModel:
    return receipt(message)


async def _take_all(batch: CdrBatch) -> RoamingModel:
    return CdrOutcomes(outcomes=tuple(map(receipt, batch.cdrs)))


async def _note(_: RoamingModel) -> RoamingModel:
    return Noted()


async def _apply(message: WhitelistChanged) -> RoamingModel:
    return WhitelistApplied(epoch=message.epoch, version=message.to_version)


class Frames(FrameTrace):
    """Keeps the frames instead of logging them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.on = True
        self.came: list[Frame] = []

    def sent(self, peer: str, frame: Frame) -> None:
        """What we send we know."""

    def received(self, peer: str, frame: Frame) -> None:
        assert peer == "hub"
        self.came.append(frame)


class Partner:
    """An operator's end of a hub link, which keeps all that the hub sends.

    Args:
        operator_id: whose.
        takes_batches: whether it answers messages with many CDRs or statuses.
    """

    def __init__(self, operator_id: str, *, takes_batches: bool = False) -> None:
        self.operator_id = operator_id
        self.frames = Frames(operator_id)
        self.authorize: Handler = _accept
        self.answers: dict[type[RoamingModel], Callable[[Any], Awaitable[RoamingModel]]] = {
            Cdr: _take,
            CdrStatus: _note,
            WhitelistChanged: _apply,
        }
        if takes_batches:
            self.answers |= {CdrBatch: _take_all, CdrStatusBatch: _note}
        self._inbox: dict[type[RoamingModel], asyncio.Queue[Any]] = {
            kind: asyncio.Queue() for kind in self.answers
        }
        self.link: Link
        self.gone: asyncio.Task[str]

    async def dial(
        self, url: str, *, secret: str = SECRET, subprotocols: Sequence[str] = (WINDOWED_SUBPROTOCOL,)
    ) -> None:
        self.connection = await dial(
            link_url(url, self.operator_id),
            subprotocols=subprotocols,
            max_size=1 << 20,
            authorization=basic(self.operator_id, secret),
        )
        handlers: Mapping[str, Handler] = {
            "Authorize": self._authorize,
            "DataTransfer": answering({kind: self._noting(kind) for kind in self.answers}),
        }
        self.link = Link(self.connection, peer="hub", handlers=handlers, limits=LinkLimits(), trace=self.frames)
        self.gone = asyncio.create_task(self.link.run())

    async def _authorize(self, call: Call) -> Payload:
        return await self.authorize(call)

    def _noting(self, kind: type[RoamingModel]) -> Callable[[Any], Awaitable[RoamingModel]]:
        async def handle(message: RoamingModel) -> RoamingModel:
            self._inbox[kind].put_nowait(message)
            return await self.answers[kind](message)

        return handle

    async def next(self, kind: type[M]) -> M:
        """The next message of this kind that the hub sends, or has sent."""
        async with asyncio.timeout(10):
            message: M = await self._inbox[kind].get()
            return message

    @property
    def asked(self) -> list[Call]:
        """The calls that have come from the hub."""
        return [frame for frame in self.frames.came if isinstance(frame, Call)]

    async def settle(self) -> None:
        """All that the hub sent before it reads this has come when this returns."""
        await self.link.call("Heartbeat", {})

    async def close(self) -> None:
        await self.link.close()
        await self.gone

    # --- what operators ask -------------------------------------------------------------------------------

    async def status_of(self, id_tag: str) -> str:
        """The answer to an Authorize."""
        answer = await self.link.call("Authorize", {"idTag": id_tag})
        status: str = answer["idTagInfo"]["status"]
        return status

    async def publish(
        self, *tokens: Token, full: bool = True, base_version: int = 0, more: bool = False
    ) -> TokensPublished:
        message = PublishTokens(full=full, base_version=base_version, more=more, tokens=tokens)
        return await ask(self.link, message, TokensPublished)

    async def pull(self, epoch: int = 0, version: int = 0, limit: int = 500) -> WhitelistPage:
        return await ask(self.link, PullWhitelist(epoch=epoch, version=version, limit=limit), WhitelistPage)

    async def claim(self, *prefixes: str, url: str | None = "wss://peer.example/roam") -> EndpointPublished:
        return await ask(self.link, PublishEndpoint(url=url, id_tag_prefixes=prefixes), EndpointPublished)

    async def send(self, message: Cdr) -> CdrReceipt:
        return await ask(self.link, message, CdrReceipt)

    async def send_all(self, *messages: Cdr) -> CdrOutcomes:
        return await ask(self.link, CdrBatch(cdrs=messages), CdrOutcomes)


class WatchedHub(HubApp):
    """A hub that says when it has noticed that a link is gone."""

    def __init__(self, settings: HubSettings) -> None:
        super().__init__(settings)
        self.departures: dict[str, asyncio.Event] = {}

    def _on_link(self, operator_id: str, up: bool) -> None:  # noqa: FBT001 - as it is there
        super()._on_link(operator_id, up)
        if not up and operator_id in self.departures:
            self.departures[operator_id].set()


class World:
    """A hub and its operators; made and closed by the fixtures."""

    def __init__(self, database: Path, **settings: object) -> None:
        given: dict[str, Any] = {"database": database, "port": 0, "poll_s": 0.02, "drain_grace_s": 5.0}
        self.settings = HubSettings(**given | settings)
        self.app = WatchedHub(self.settings)
        self._refusing: SqliteStore | None = None
        self.partners: list[Partner] = []

    async def start(self) -> None:
        """Start the hub; after a stop it is another one, on the same database."""
        self.app = WatchedHub(self.settings)
        await self.app.start()

    async def stop(self) -> None:
        self.take_writes()
        await self.app.stop()

    async def close(self) -> None:
        await asyncio.gather(*(partner.close() for partner in self.partners))
        await self.stop()

    def refuse_writes(self) -> None:
        """Make the store fail as on a disk that became read-only."""
        assert isinstance(self.app.store, SqliteStore)
        self._refusing = self.app.store
        self._refusing._database._writer.execute("PRAGMA query_only=ON")

    def take_writes(self) -> None:
        """The disk is well again."""
        if self._refusing is not None:
            self._refusing._database._writer.execute("PRAGMA query_only=OFF")
        self._refusing = None

    async def enter(
        self,
        operator_id: str,
        *,
        consents: Sequence[Mode] = ALL_MODES,
        wants: Sequence[Mode] = ALL_MODES,
        enabled: bool = True,
    ) -> None:
        """Enter an operator, if the hub does not know it."""
        entered = operator(operator_id, consents=consents, wants=wants, enabled=enabled)
        await self.app.store.operators.add((entered, SECRET_HASH), now=NOW)

    async def link(
        self,
        operator_id: str,
        *,
        consents: Sequence[Mode] = ALL_MODES,
        wants: Sequence[Mode] = ALL_MODES,
        subprotocols: Sequence[str] = (WINDOWED_SUBPROTOCOL,),
        takes_batches: bool = False,
    ) -> Partner:
        """Enter an operator if need be, and link it."""
        await self.enter(operator_id, consents=consents, wants=wants)
        partner = Partner(operator_id, takes_batches=takes_batches)
        await self.relink(partner, subprotocols=subprotocols)
        return partner

    async def relink(
        self, partner: Partner, *, subprotocols: Sequence[str] = (WINDOWED_SUBPROTOCOL, SUBPROTOCOL)
    ) -> None:
        """Link a partner (again), and wait until the hub has noticed."""
        await partner.dial(self.app.url, subprotocols=subprotocols)
        self.partners.append(partner)
        await partner.settle()

    async def unlink(self, partner: Partner) -> None:
        """Close a partner's link, and wait until the hub has noticed."""
        noticed = self.app.departures[partner.operator_id] = asyncio.Event()
        await partner.close()
        self.partners.remove(partner)
        async with asyncio.timeout(10):
            await noticed.wait()
