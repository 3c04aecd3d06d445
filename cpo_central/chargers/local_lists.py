"""Local authorization lists of our chargers, and their versions (OCPP 1.6, sections 3.5.2, 5.10 and 5.15).

Each message that a charger accepts gives its list the next version. A list that is too long for one message
goes as a Full one and Differential ones after it. We remember the version, and which change of our own tokens
the list tells up to, so that the next difference can be made from it. A charger whose list is another than
that says VersionMismatch, and gets the full list once.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple
from weakref import WeakValueDictionary

import structlog

from cascade.errors import PeerError
from cascade.frames import Payload
from cascade.roaming.model import id_key
from cascade.roaming.tokens import Token, id_tag_info
from cpo_central.chargers.charge_points import ChargePointStore, LocalList
from cpo_central.chargers.server import ChargerServer
from cpo_central.drivers.tokens import TokenStore

log = structlog.get_logger()

ACCEPTED, VERSION_MISMATCH = "Accepted", "VersionMismatch"

MAX_LENGTH_KEY = "SendLocalListMaxLength"

MAX_LENGTH = 50
"""Tokens in one message to a charger that does not say how many it takes."""


class ListSent(NamedTuple):
    """What has become of a list."""

    status: str
    """The charger's last answer: Accepted, Failed, NotSupported or VersionMismatch."""
    version: int
    """Of the list that it holds now, as far as we know."""
    tokens: int
    """Those that it has accepted."""


class _Update(NamedTuple):
    tokens: Sequence[Token]
    full: bool
    change: int
    """What the list tells up to when all of it is accepted."""


class LocalLists:
    """Sends lists to chargers.

    Args:
        chargers: to call them.
        charge_points: where versions are kept.
        tokens: our own drivers'.
    """

    def __init__(self, *, chargers: ChargerServer, charge_points: ChargePointStore, tokens: TokenStore) -> None:
        self._chargers = chargers
        self._charge_points = charge_points
        self._tokens = tokens
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def send(self, charge_point_id: str, tokens: Sequence[Token] | None, *, full: bool) -> ListSent:
        """Send a list, or what has changed in it, to a charger; one after the other.

        Args:
            charge_point_id: to whom.
            tokens: what the list, or the difference, holds; `deleted` ones are taken out of it. None: our own
                tokens, of a difference those that have changed since the charger was told.
            full: whether the list is replaced. One of our own tokens and the given ones also replaces it if
                the charger says VersionMismatch.

        Raises:
            CascadeError: what `ChargerServer.call` raises; the parts that went before are remembered.
        """
        async with self._turn(charge_point_id):
            update = await self._update(charge_point_id, tokens, full=full)
            sent = await self._send(charge_point_id, update)
            if sent.status == VERSION_MISMATCH:
                await self._ask_version(charge_point_id)
                sent = await self._send(charge_point_id, await self._everything(tokens or ()))
            log.info("local_list", charge_point=charge_point_id, **sent._asdict())
            return sent

    async def version(self, charge_point_id: str) -> int:
        """Ask a charger which version it has: 0 is an empty list, -1 none at all; we go on from it.

        Raises:
            CascadeError: what `ChargerServer.call` raises.
        """
        async with self._turn(charge_point_id):
            return await self._ask_version(charge_point_id)

    async def _ask_version(self, charge_point_id: str) -> int:
        answer = await self._chargers.call(charge_point_id, "GetLocalListVersion", {})
        version: int = answer["listVersion"]
        if version != self._charge_points.local_list(charge_point_id).version:
            await self._charge_points.record_local_list(charge_point_id, LocalList(max(version, 0), 0))
        return version

    # --- what is sent ---------------------------------------------------------------------------------------

    async def _update(self, charge_point_id: str, tokens: Sequence[Token] | None, *, full: bool) -> _Update:
        told = 0 if full else self._charge_points.local_list(charge_point_id).change
        if tokens is not None:
            return _Update(tokens, full, told)
        own = await self._tokens.all()
        changed = [token.token for token in own if token.change > told]
        return _Update(changed, full, max((token.change for token in own), default=0))

    async def _everything(self, given: Sequence[Token]) -> _Update:
        own = await self._tokens.all()
        tokens = {id_key(token.token.id_tag): token.token for token in own}
        tokens |= {id_key(token.id_tag): token for token in given}
        return _Update(list(tokens.values()), True, max((token.change for token in own), default=0))

    async def _send(self, charge_point_id: str, update: _Update) -> ListSent:
        held = self._charge_points.local_list(charge_point_id)
        version, accepted = held.version, 0
        parts = list(_parts(_entries(update), await self._max_length(charge_point_id, len(update.tokens))))
        for number, part in enumerate(parts, 1):
            request = {
                "listVersion": version + 1,
                "updateType": "Full" if update.full and number == 1 else "Differential",
                "localAuthorizationList": part,
            }
            status: str = (await self._chargers.call(charge_point_id, "SendLocalList", request))["status"]
            if status != ACCEPTED:
                return ListSent(status, version, accepted)
            version, accepted = version + 1, accepted + len(part)
            # a replaced list of which a part is missing tells nothing for certain
            so_far = 0 if update.full else held.change
            change = update.change if number == len(parts) else so_far
            await self._charge_points.record_local_list(charge_point_id, LocalList(version, change))
        return ListSent(ACCEPTED, version, accepted)

    async def _max_length(self, charge_point_id: str, wanted: int) -> int:
        """How many tokens a charger takes in one message (OCPP 1.6, section 9.2.3)."""
        if wanted <= 1:
            return 1
        try:
            answer = await self._chargers.call(charge_point_id, "GetConfiguration", {"key": [MAX_LENGTH_KEY]})
        except PeerError:
            return MAX_LENGTH
        for entry in answer.get("configurationKey", []):
            if entry["key"] == MAX_LENGTH_KEY and entry.get("value", "").isdecimal():
                return max(int(entry["value"]), 1)
        return MAX_LENGTH

    @asynccontextmanager
    async def _turn(self, charge_point_id: str) -> AsyncIterator[None]:
        lock = self._turns.setdefault(charge_point_id, asyncio.Lock())
        async with lock:
            yield


def _entries(update: _Update) -> list[Payload]:
    now = datetime.now(UTC)
    return [
        {"idTag": token.id_tag}
        if token.deleted
        else {"idTag": token.id_tag, "idTagInfo": id_tag_info(token.standing, now)}
        for token in update.tokens
        if not (token.deleted and update.full)
    ]


def _parts(entries: list[Payload], length: int) -> Iterator[list[Payload]]:
    """At least one, so that a list can be emptied."""
    for start in range(0, max(len(entries), 1), length):
        yield entries[start : start + length]
