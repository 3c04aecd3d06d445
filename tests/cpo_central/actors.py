"""Who stands around a central system in these tests: a hub that does as it is told, and a charger."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.typing import EventDict

from cascade.client import basic, dial, link_url
from cascade.errors import RoamingRefused
from cascade.exchange import answering, ask
from cascade.frames import Call, Payload
from cascade.link import Handler, Link, LinkLimits
from cascade.ocpp16 import SUBPROTOCOL, WINDOWED_SUBPROTOCOL
from cascade.roaming import tickets
from cascade.roaming.cdrs import Cdr, CdrBatch, CdrOutcomes, CdrReceipt, ReceiptStatus
from cascade.roaming.endpoints import EndpointPublished, LookupEndpoint, PublishEndpoint, Referral
from cascade.roaming.model import Refusal, RoamingModel, id_key
from cascade.roaming.tokens import (
    PublishTokens,
    PullWhitelist,
    RejectedToken,
    Token,
    TokensPublished,
    WhitelistPage,
)
from cascade.server import Knock, LinkServer
from cascade.sockets import ServerSocket
from cascade.trace import FrameTrace
from tests.conftest import LogLines

CREDENTIAL = "a-long-credential"
LIMITS = LinkLimits(call_timeout_s=5)

M = TypeVar("M", bound=RoamingModel)
A = TypeVar("A", bound=RoamingModel)


def _pem_pair() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


class Hub:
    """A hub with one rule: it answers as the test has set it, and remembers what it was asked."""

    def __init__(self) -> None:
        self.private_key, self.public_key = _pem_pair()
        self.port = 0
        self.subprotocols = [WINDOWED_SUBPROTOCOL, SUBPROTOCOL]
        self.boot_status = "Accepted"
        self.heartbeat_interval_s = 300
        self.infos: dict[str, Payload] = {}
        """What is answered to Authorize, by idTag."""
        self.answers: dict[str, Callable[[Call], Awaitable[Payload]]] = {}
        """Overrides of whole actions."""
        self.roaming_answers: dict[type[RoamingModel], Callable[[str, Any], Awaitable[RoamingModel]]] = {}
        """Overrides of roaming messages: (operatorId, message) to the answer."""
        self.pages: list[WhitelistPage] = []
        """What is answered to PullWhitelist; the last one again and again."""
        self.rejects: dict[str, str] = {}
        """idTags that the hub does not take, and the code."""
        self.published: dict[str, dict[str, Token]] = defaultdict(dict)
        self.versions: dict[str, int] = defaultdict(int)
        self.endpoints: dict[str, PublishEndpoint] = {}
        self.homes: dict[str, str] = {}
        """Whose an idTag is, for referrals."""
        self.ticket_lifetime = timedelta(minutes=5)
        self.heard: list[tuple[str, Any]] = []
        """Calls and roaming messages, by operatorId."""
        self.links: dict[str, Link] = {}
        self._changed = asyncio.Condition()
        self._server: LinkServer | None = None

    async def start(self) -> None:
        self._server = LinkServer(
            prefix="/ocpp",
            gate=self._admit,
            reception=self._receive,
            subprotocols=self.subprotocols,
            max_size=2**20,
        )
        await self._server.start("127.0.0.1", self.port)
        self.port = self._server.port

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
            self._server = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    async def _admit(self, knock: Knock) -> bool:
        return knock.basic == (knock.identity, CREDENTIAL)

    async def _receive(self, operator_id: str, connection: ServerSocket) -> None:
        async def hear(what: object) -> None:
            async with self._changed:
                self.heard.append((operator_id, what))
                self._changed.notify_all()

        def action(name: str) -> Callable[[Call], Awaitable[Payload]]:
            async def handle(call: Call) -> Payload:
                await hear(call)
                return await self.answers.get(name, self._answer)(call)

            return handle

        def roaming(kind: type[RoamingModel]) -> Callable[[Any], Awaitable[RoamingModel]]:
            async def handle(message: RoamingModel) -> RoamingModel:
                await hear(message)
                return await self.roaming_answers.get(kind, self._roaming_answer)(operator_id, message)

            return handle

        kinds = (PublishTokens, PullWhitelist, PublishEndpoint, LookupEndpoint, Cdr, CdrBatch)
        handlers = {name: action(name) for name in ("BootNotification", "Heartbeat", "Authorize")}
        handlers["DataTransfer"] = answering({kind: roaming(kind) for kind in kinds})
        link = Link(connection, peer=operator_id, handlers=handlers, limits=LIMITS, trace=FrameTrace("hub"))
        async with self._changed:
            self.links[operator_id] = link
            self._changed.notify_all()
        await link.run()

    async def _answer(self, call: Call) -> Payload:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        match call.action:
            case "BootNotification":
                return {"status": self.boot_status, "currentTime": now, "interval": self.heartbeat_interval_s}
            case "Heartbeat":
                return {"currentTime": now}
            case _:
                return {"idTagInfo": self.infos.get(call.payload["idTag"], {"status": "Invalid"})}

    async def _roaming_answer(self, operator_id: str, message: RoamingModel) -> RoamingModel:
        match message:
            case PublishTokens():
                return self._publish(operator_id, message)
            case PullWhitelist():
                return self._page()
            case PublishEndpoint():
                self.endpoints[operator_id] = message
                return EndpointPublished(accepted=message.id_tag_prefixes, ticket_key=self.public_key)
            case LookupEndpoint():
                return self.refer(operator_id, message.id_tag)
            case Cdr():
                return receipt_for(message)
            case CdrBatch():
                outcomes = [await self._outcome(operator_id, cdr) for cdr in message.cdrs]
                return CdrOutcomes(outcomes=tuple(outcomes))
            case _:
                raise AssertionError(message)

    def _page(self) -> WhitelistPage:
        if not self.pages:
            return WhitelistPage(epoch=1, version=0, more=False, changes=())
        return self.pages[0] if len(self.pages) == 1 else self.pages.pop(0)

    async def _outcome(self, operator_id: str, cdr: Cdr) -> CdrReceipt | Refusal:
        """What would be said of one of a batch alone."""
        try:
            outcome = await self.roaming_answers.get(Cdr, self._roaming_answer)(operator_id, cdr)
        except RoamingRefused as refused:
            return Refusal(code=refused.code, detail=refused.detail)
        assert isinstance(outcome, CdrReceipt)
        return outcome

    def _publish(self, operator_id: str, message: PublishTokens) -> TokensPublished:
        starts = message.full and message.base_version == 0
        if not starts and message.base_version != self.versions[operator_id]:
            raise RoamingRefused("VersionConflict", "publish the full list")
        if starts:
            self.published[operator_id] = {}
        for token in message.tokens:
            if token.id_tag not in self.rejects:
                self.published[operator_id][id_key(token.id_tag)] = token
        self.versions[operator_id] += 1
        rejected = tuple(
            RejectedToken(id_tag=token.id_tag, code=self.rejects[token.id_tag], detail="it is another's")
            for token in message.tokens
            if token.id_tag in self.rejects
        )
        return TokensPublished(version=self.versions[operator_id], rejected=rejected)

    def refer(self, visited: str, id_tag: str) -> Referral:
        home = self.homes.get(id_tag)
        endpoint = None if home is None else self.endpoints.get(home)
        if home is None or endpoint is None or endpoint.url is None:
            raise RoamingRefused("NoReferral", "nobody")
        now = datetime.now(UTC)
        expiry = (now + self.ticket_lifetime).replace(microsecond=0)
        ticket = tickets.issue(self.private_key, visited=visited, home=home, now=now, expiry=expiry)
        return Referral(
            operator_id=home,
            url=endpoint.url,
            id_tag_prefixes=endpoint.id_tag_prefixes,
            ticket=ticket,
            expiry=expiry,
        )

    # --- what a test looks at -------------------------------------------------------------------------------

    async def until(self, condition: Callable[[Self], bool]) -> None:
        """Wait until a condition on what was heard holds."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    def messages(self, kind: type[M]) -> list[M]:
        return [message for _, message in self.heard if isinstance(message, kind)]

    def cdrs(self) -> list[Cdr]:
        """Those that came, alone or in batches."""
        came: list[Cdr] = []
        for _, message in self.heard:
            if isinstance(message, Cdr | CdrBatch):
                came += [message] if isinstance(message, Cdr) else message.cdrs
        return came

    def calls(self, action: str) -> list[Call]:
        return [call for _, call in self.heard if isinstance(call, Call) and call.action == action]

    async def has_link(self, operator_id: str) -> Link:
        await self.until(lambda hub: operator_id in hub.links and not hub.links[operator_id].lost)
        return self.links[operator_id]

    async def ask(self, operator_id: str, message: RoamingModel, expected: type[A]) -> A:
        return await ask(await self.has_link(operator_id), message, expected)


def receipt_for(cdr: Cdr, status: ReceiptStatus = ReceiptStatus.RECEIVED) -> CdrReceipt:
    return CdrReceipt(cdr_id=cdr.cdr_id, digest=cdr.digest(), received_at=datetime.now(UTC), status=status)


async def told(logs: LogLines, name: str, count: int) -> list[EventDict]:
    """The log lines of a name, once there are `count` of them."""
    await logs.event(name, count)
    return logs.named(name)


BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}


class Charger:
    """A charge point: a link with a few words on it."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.reading = asyncio.create_task(link.run())

    @classmethod
    async def connect(
        cls,
        port: int,
        charge_point_id: str = "CP-1",
        *,
        boots: bool = True,
        answers: Mapping[str, Handler] | None = None,
        password: str | None = None,
    ) -> "Charger":
        """A charge point that has linked; by default it has booted too.

        Args:
            port: of the central system.
            charge_point_id: its identity.
            boots: whether it sends BootNotification.
            answers: what it answers.
            password: its Basic credentials.
        """
        connection = await dial(
            link_url(f"ws://127.0.0.1:{port}/ocpp", charge_point_id),
            subprotocols=(SUBPROTOCOL,),
            max_size=2**16,
            authorization=None if password is None else basic(charge_point_id, password),
        )
        trace = FrameTrace(charge_point_id)
        charger = cls(Link(connection, peer="central", handlers=answers or {}, limits=LIMITS, trace=trace))
        if boots:
            await charger.link.call("BootNotification", BOOT)
        return charger

    async def close(self) -> None:
        await self.link.close()
        await self.reading

    async def authorize(self, id_tag: str) -> Payload:
        info: Payload = (await self.link.call("Authorize", {"idTag": id_tag}))["idTagInfo"]
        return info

    async def start(
        self,
        id_tag: str,
        *,
        at: str = "2026-01-01T10:00:00Z",
        meter: int = 1000,
        connector: int = 1,
    ) -> Payload:
        request = {"connectorId": connector, "idTag": id_tag, "timestamp": at, "meterStart": meter}
        return await self.link.call("StartTransaction", request)

    async def stop(
        self,
        transaction_id: int,
        *,
        at: str = "2026-01-01T11:00:00Z",
        meter: int = 8500,
        **more: object,
    ) -> Payload:
        request = {"transactionId": transaction_id, "timestamp": at, "meterStop": meter, **more}
        return await self.link.call("StopTransaction", request)

    async def session(self, id_tag: str) -> int:
        """One whole session; returns its transactionId."""
        await self.authorize(id_tag)
        now = datetime.now(UTC)
        start, end = (moment.isoformat().replace("+00:00", "Z") for moment in (now, now + timedelta(hours=1)))
        transaction_id: int = (await self.start(id_tag, at=start))["transactionId"]
        await self.stop(transaction_id, at=end)
        return transaction_id
