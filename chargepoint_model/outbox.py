"""What a charge point still has to say, in order and one at a time.

The rules:

1. A message of a transaction is kept until the central system has answered it. A lost link or a silent
   central system does not change that: it stays first, and goes out again with its original time.
2. A message of a transaction that the central system fails to process is tried again as its keys
   TransactionMessageAttempts and TransactionMessageRetryInterval say (OCPP 1.6, section 3.7.1), then given
   up with an error in the log that holds all of it.
3. A security event is kept until it could be said; what the central system makes of it is its affair.
4. Any other message is of the moment: it is said once, and not kept for the next link.
5. Whatever the central system answers about a tag is learnt.
"""

import asyncio
from collections import Counter, deque
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
    lasting: bool = False
    """Whether it is kept for the next link; those of a transaction always are."""


class Outbox:
    """The messages of one charge point.

    Args:
        configuration: how often, and after how long, a message is tried again.
        learn: told the idTagInfo of each tag that the central system answers about.
    """

    def __init__(self, configuration: Configuration, learn: Callable[[str, Payload], None]) -> None:
        self.taken = Counter[str]()
        """How many of our messages the central system has taken, by action."""
        self._configuration = configuration
        self._learn = learn
        self._messages: deque[Message] = deque()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._open = False

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def is_open(self) -> bool:
        """Whether there is a link that may be spoken on."""
        return self._open

    def say(self, action: str, payload: Payload) -> None:
        """Send a message of the moment; without a link it is not sent."""
        if self._open:
            self._add(Message(action, payload))

    def report(self, action: str, payload: Payload) -> None:
        """Send a message as soon as there is a link."""
        self._add(Message(action, payload, lasting=True))

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
            self._messages = deque(one for one in self._messages if one.session is not None or one.lasting)
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
                tell = log.info if message.lasting else log.warning
                tell("not_delivered", action=message.action, because=str(error))
                if message.session is None and not (message.lasting and isinstance(error, CallTimeoutError)):
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

    async def _send(self, link: Link, message: Message) -> None:
        session, payload = message.session, message.payload
        if session is not None and message.action != "StartTransaction":
            if session.transaction_id is None:
                log.error("given_up", action=message.action, payload=payload, because="its start was not taken")
                return
            payload = {**payload, "transactionId": session.transaction_id}
        result = await link.call(message.action, payload)
        self.taken[message.action] += 1
        if "idTagInfo" in result and "idTag" in payload:
            self._learn(payload["idTag"], result["idTagInfo"])
        if session is not None and message.action == "StartTransaction":
            session.transaction_id = result["transactionId"]
            session.start_status = result["idTagInfo"]["status"]
            if message.answered is not None:
                message.answered(session)


def _give_up(message: Message) -> None:
    log.error("given_up", action=message.action, payload=message.payload, because="not processed")
    if message.session is not None and message.answered is not None:
        message.session.start_status = NOT_TAKEN
        message.answered(message.session)
