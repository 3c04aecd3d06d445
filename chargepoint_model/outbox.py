"""What a charge point still has to say, in order and one at a time.

The rules:

1. A message of a transaction is kept until the central system has answered it. A lost link or a silent
   central system does not change that: it stays first, and goes out again with its original time.
2. A message of a transaction that the central system fails to process is tried again as its keys
   TransactionMessageAttempts and TransactionMessageRetryInterval say (OCPP 1.6, section 3.7.1), then given
   up with an error in the log that holds all of it.
3. Any other message is of the moment: it is said once, and not kept for the next link.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from cascade.errors import BadResultError, CallTimeoutError, LinkLostError, PeerError
from cascade.frames import Payload
from cascade.link import Link
from chargepoint_model import messages
from chargepoint_model.configuration import Configuration
from chargepoint_model.session import Session

log = structlog.get_logger()

NOT_TAKEN = "Error"
"""The start status of a session whose StartTransaction the central system would not process."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request that waits to be sent."""

    action: str
    payload: Payload
    session: Session | None = None
    """The transaction that it belongs to; its id is filled in when the message leaves."""
    answered: Callable[[Session], None] | None = None


class Outbox:
    """The messages of one charge point.

    Args:
        configuration: how often, and after how long, a message is tried again.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._messages: deque[Message] = deque()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._open = False

    def __len__(self) -> int:
        return len(self._messages)

    def say(self, action: str, payload: Payload) -> None:
        """Send a message of the moment; without a link it is not sent."""
        if self._open:
            self._add(Message(action, payload))

    def start(self, session: Session, answered: Callable[[Session], None]) -> None:
        """Send a session's StartTransaction; `answered` is called when its outcome stands in the session."""
        payload = messages.start_transaction(session)
        self._add(Message("StartTransaction", payload, session, answered))

    def keep(self, session: Session, action: str, payload: Payload) -> None:
        """Send a further message of a transaction."""
        self._add(Message(action, payload, session))

    def _add(self, message: Message) -> None:
        self._messages.append(message)
        self._emptied.clear()
        self._filled.set()

    async def empty(self) -> None:
        """Wait until everything has been said."""
        await self._emptied.wait()

    def open(self) -> None:
        """There is a link that may be spoken on: messages of the moment are taken."""
        self._open = True

    async def drain(self, link: Link) -> None:
        """Say on `link` what there is to say, and what comes, until cancelled.

        Raises:
            LinkLostError: the link was lost while something was said; it is said again on the next.
        """
        try:
            while True:
                while self._messages:
                    await self._deliver(link, self._messages[0])
                    self._messages.popleft()
                self._emptied.set()
                self._filled.clear()
                await self._filled.wait()
        finally:
            self._open = False
            self._messages = deque(message for message in self._messages if message.session is not None)
            if not self._messages:
                self._emptied.set()

    async def _deliver(self, link: Link, message: Message) -> None:
        failures = 0
        while True:
            try:
                await self._send(link, message)
            except LinkLostError:
                raise
            except (CallTimeoutError, PeerError, BadResultError) as error:
                log.warning("not_delivered", action=message.action, because=str(error))
                if message.session is None:
                    return
                if not isinstance(error, CallTimeoutError):
                    failures += 1
                if failures == self._configuration.number("TransactionMessageAttempts"):
                    _give_up(message)
                    return
            else:
                return
            interval_s = self._configuration.number("TransactionMessageRetryInterval")
            await asyncio.sleep(interval_s * max(failures, 1))

    @staticmethod
    async def _send(link: Link, message: Message) -> None:
        session, payload = message.session, message.payload
        if session is None:
            await link.call(message.action, payload)
        elif message.action == "StartTransaction":
            result = await link.call(message.action, payload)
            session.transaction_id = result["transactionId"]
            session.start_status = result["idTagInfo"]["status"]
            if message.answered is not None:
                message.answered(session)
        elif session.transaction_id is None:
            log.error("given_up", action=message.action, payload=payload, because="its start was not taken")
        else:
            await link.call(message.action, {**payload, "transactionId": session.transaction_id})


def _give_up(message: Message) -> None:
    log.error("given_up", action=message.action, payload=message.payload, because="not processed")
    if message.session is not None and message.answered is not None:
        message.session.start_status = NOT_TAKEN
        message.answered(message.session)
