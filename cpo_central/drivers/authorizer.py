"""Runs authorizations: gathers the facts, asks whom the decision names, and writes one line about each.

An Accepted answer is remembered for the start of the session that follows it, so that the session refers to
the question that its driver was let in by. It is used once.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, assert_never

import structlog

from cascade.errors import CallFailed, RoamingRefused
from cascade.frames import Payload
from cascade.logs import masked
from cascade.roaming.model import id_key
from cascade.roaming.tokens import id_tag_info
from cascade.tasks import Afterwards
from cpo_central.drivers.authorization import AskHub, AskPeer, DecidedBy, Decision, Facts, Mode, next_step
from cpo_central.drivers.tokens import TokenStore
from cpo_central.drivers.whitelist import WhitelistStore

log = structlog.get_logger()

REMEMBERED_S = 600.0
"""How long an Accepted answer waits for its session to start."""


@dataclass(slots=True)
class Upstream:
    """An answer about a driver from elsewhere."""

    info: Payload
    reference: str
    home_operator_id: str | None = None


class HubDesk(Protocol):
    """What an authorization needs of the hub."""

    @property
    def linked(self) -> bool:
        """Whether the hub can be asked."""
        ...

    async def authorize(self, id_tag: str) -> Upstream:
        """Ask the hub; raises CallFailed."""
        ...


class PeerDesk(Protocol):
    """What an authorization needs of peers."""

    async def authorize(self, id_tag: str, spent: dict[str, float]) -> Upstream:
        """Ask the home operator; raises CallFailed or RoamingRefused, and tells where the time went."""
        ...


@dataclass(slots=True)
class _Effort:
    """What one authorization took."""

    began: float = field(default_factory=time.perf_counter)
    upstream_s: float = 0.0
    total_s: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    failures: dict[Mode, str] = field(default_factory=dict)


class Authorizer:
    """Answers our chargers about drivers.

    Args:
        tokens: our own drivers.
        whitelist: the replica.
        modes: how others' tokens are authorized, in this order.
        hub: to ask the hub.
        peers: to ask home operators.
        clock: monotonic seconds, for what is remembered.
    """

    def __init__(
        self,
        *,
        tokens: TokenStore,
        whitelist: WhitelistStore,
        modes: tuple[Mode, ...],
        hub: HubDesk,
        peers: PeerDesk,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._whitelist = whitelist
        self._modes = modes
        self._hub = hub
        self._peers = peers
        self._clock = clock
        self._remembered: OrderedDict[tuple[str, str], tuple[float, Decision]] = OrderedDict()
        self._afterwards = Afterwards()

    async def authorize(self, charge_point_id: str, id_tag: str) -> Decision:
        """Decide whether a driver may charge."""
        effort = _Effort()
        decision = await self._decide(id_tag, effort)
        effort.total_s = time.perf_counter() - effort.began
        self._afterwards.do(lambda: _report(charge_point_id, id_tag, decision, effort))
        if decision.accepted:
            self._remember((charge_point_id, id_key(id_tag)), decision)
        return decision

    async def authorize_start(self, charge_point_id: str, id_tag: str) -> Decision:
        """The answer that a session starts with: that of its own Authorize, else a new one."""
        self._forget_old()
        key = (charge_point_id, id_key(id_tag))
        remembered = self._remembered.get(key)
        decision = await self.authorize(charge_point_id, id_tag) if remembered is None else remembered[1]
        self._remembered.pop(key, None)
        return decision

    def known_here(self, id_tag: str) -> Payload | None:
        """What we know of a token without asking anybody."""
        token = self._tokens.find(id_tag) or self._whitelist.find(id_tag)
        return None if token is None else id_tag_info(token, datetime.now(UTC))

    async def _decide(self, id_tag: str, effort: _Effort) -> Decision:
        own = self._tokens.find(id_tag)
        facts = Facts(
            id_tag=id_tag,
            own=own,
            listed=None if own or Mode.WHITELIST not in self._modes else self._whitelist.find(id_tag),
            modes=self._modes,
            hub_linked=self._hub.linked,
            now=datetime.now(UTC),
        )
        while True:
            step = next_step(facts, effort.failures)
            match step:
                case Decision():
                    return step
                case AskHub():
                    decision = await self._ask(Mode.HUB, DecidedBy.HUB, id_tag, effort)
                case AskPeer():
                    decision = await self._ask(Mode.PEER, DecidedBy.PEER, id_tag, effort)
                case _:
                    assert_never(step)
            if decision is not None:
                return decision

    async def _ask(self, mode: Mode, decider: DecidedBy, id_tag: str, effort: _Effort) -> Decision | None:
        asked = time.perf_counter()
        try:
            if mode is Mode.HUB:
                answer = await self._hub.authorize(id_tag)
            else:
                answer = await self._peers.authorize(id_tag, effort.spent)
        except (CallFailed, RoamingRefused) as error:
            effort.failures[mode] = str(error)
            return None
        finally:
            effort.upstream_s += time.perf_counter() - asked
        return Decision(answer.info, decider, answer.reference, answer.home_operator_id)

    def _remember(self, key: tuple[str, str], decision: Decision) -> None:
        self._forget_old()
        self._remembered.pop(key, None)
        self._remembered[key] = self._clock(), decision

    def _forget_old(self) -> None:
        oldest = self._clock() - REMEMBERED_S
        while self._remembered and next(iter(self._remembered.values()))[0] < oldest:
            self._remembered.popitem(last=False)


def _report(charge_point_id: str, id_tag: str, decision: Decision, effort: _Effort) -> None:
    log.info(
        "authorization",
        charge_point=charge_point_id,
        id_tag=masked(id_tag),
        status=decision.info["status"],
        decided_by=decision.decided_by,
        reference=decision.reference,
        operator=decision.home_operator_id,
        reason=decision.reason,
        total_ms=_ms(effort.total_s),
        upstream_ms=_ms(effort.upstream_s),
        **{f"{part}_ms": _ms(seconds) for part, seconds in effort.spent.items()},
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
