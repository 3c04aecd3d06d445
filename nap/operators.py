"""Linked operators: who may come in, which link counts, how they leave.

The newest link of an operator wins: it takes over at once, and the older one is closed without an answer more.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from argon2 import PasswordHasher

from cascade.credentials import CredentialCheck
from cascade.errors import StoreError
from cascade.link import TAKEN_OVER, Handler, Link, LinkLimits
from cascade.server import Knock
from cascade.sockets import ServerSocket
from cascade.trace import FrameTrace
from nap.bus.port import Links
from nap.store.port import Store
from nap.telemetry import Metrics

log = structlog.get_logger()

DISABLED, GOING_AWAY = 4003, 1001
"""Close codes: ours, and the standard's (RFC 6455, section 7.4)."""

LAST_WORDS_S = 0.5
"""How long what was asked in the last moment of a drain may still take."""

NOTE_INTERVAL_S = 0.1
"""Between two writings of standings: those that come meanwhile are written together."""


CREDENTIAL_BYTES = 24

HASHER = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
"""Verifies in a millisecond. The high costs are for passwords that people choose: they would make a random one
no harder to guess, and hold up the operators when the hub has started anew."""


def new_credential() -> tuple[str, str]:
    """A new credential of an operator, and the hash to keep of it."""
    secret = secrets.token_urlsafe(CREDENTIAL_BYTES)
    return secret, HASHER.hash(secret)


class OperatorLinks:
    """The links of all operators at this hub.

    Args:
        store: knows the operators.
        links: told of each link.
        handlers: what a link of an operator answers.
        on_link: called when an operator's link has come up, or has gone and no other took over.
    """

    def __init__(
        self,
        *,
        store: Store,
        links: Links,
        handlers: Callable[[str], Mapping[str, Handler]],
        on_link: Callable[[str, bool], None],
        limits: LinkLimits,
        trace: FrameTrace,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._links = links
        self._handlers = handlers
        self._on_link = on_link
        self._limits = limits
        self._trace = trace
        self._metrics = metrics
        self._clock = clock
        self._credentials = CredentialCheck(HASHER)
        self._closing: set[asyncio.Task[None]] = set()
        self._standings: dict[str, tuple[bool, datetime]] = {}
        """Not yet written: who is linked or no more, and since when."""
        self._noting: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    async def admit(self, knock: Knock) -> bool:
        """Check HTTP Basic credentials: the user is the operatorId of the path, the password its credential.

        Raises:
            CrowdedError: too many wait for their credentials to be checked.
        """
        if knock.basic is None or knock.basic[0] != knock.identity:
            return False
        secret_hash = self._store.operators.secret_hash(knock.identity)
        return await self._credentials.is_right(
            knock.identity, secret_hash, knock.basic[1], remote=knock.remote
        )

    async def receive(self, operator_id: str, connection: ServerSocket) -> None:
        """Speak with an operator for as long as its socket is open."""
        link = Link(
            connection,
            peer=operator_id,
            handlers=self._handlers(operator_id),
            limits=self._limits,
            trace=self._trace,
        )
        replaced = self._links.attach(operator_id, link)
        if replaced is None:
            self._metrics.links.inc()
        else:
            self._close(replaced, TAKEN_OVER, "a newer link of this operator has taken over")
        log.info("operator_linked", operator=operator_id, subprotocol=connection.subprotocol)
        self._on_link(operator_id, True)
        self._note(operator_id, linked=True)
        reason = await link.run()
        if self._links.detach(operator_id, link):
            self._metrics.links.dec()
            self._on_link(operator_id, False)
            log.info("operator_gone", operator=operator_id, because=reason)
            self._note(operator_id, linked=False)

    def _note(self, operator_id: str, *, linked: bool) -> None:
        """Keep the standing that is shown to people; a link does not depend on it."""
        self._standings[operator_id] = (linked, self._clock())
        if self._noting is None:
            self._noting = asyncio.create_task(self._note_together())

    async def _note_together(self) -> None:
        while self._standings:
            async with self._writing:
                await self._write_standings()
            await asyncio.sleep(NOTE_INTERVAL_S)
        self._noting = None

    async def settle(self) -> None:
        """Write down now who is linked."""
        async with self._writing:
            if self._noting is not None:
                self._noting.cancel()
                self._noting = None
            await self._write_standings()

    async def _write_standings(self) -> None:
        """In one commit."""
        standings, self._standings = self._standings, {}
        writes = (
            self._store.operators.note_link(operator_id, linked=linked, now=now)
            for operator_id, (linked, now) in standings.items()
        )
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        for operator_id, outcome in zip(standings, outcomes, strict=True):
            if isinstance(outcome, StoreError):
                log.warning("standing_not_written", operator=operator_id, because=str(outcome))
            elif outcome is not None:
                raise outcome

    def close_disabled(self) -> None:
        """Close the links of operators that have been disabled since they came."""
        for operator_id, link in self._links.links().items():
            operator = self._store.operators.get(operator_id)
            if operator is None or not operator.enabled:
                self._close(link, DISABLED, "this operator is disabled at the hub")

    async def drain(self, grace_s: float) -> None:
        """Let what is in work be answered, for `grace_s` at most, then close every link."""
        # all links stay until each has answered: what is asked on one may be redirected to another
        await asyncio.gather(*(link.finish(grace_s) for link in self._links.links().values()))
        closing = [
            link.close(GOING_AWAY, "the hub is stopping", grace_s=LAST_WORDS_S)
            for link in self._links.links().values()
        ]
        await asyncio.gather(*closing, *self._closing)

    def _close(self, link: Link, code: int, reason: str) -> None:
        task = asyncio.create_task(link.close(code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
