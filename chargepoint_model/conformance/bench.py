"""What a test of a charge point's behaviour works with: ask, and see what it does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cascade.errors import BadResultError
from cascade.frames import Payload
from cascade.ocpp16 import check_result
from chargepoint_model.conformance.answers import shown
from chargepoint_model.conformance.central import PlayedCentral
from chargepoint_model.conformance.examiner import Examiner
from chargepoint_model.conformance.findings import UNKNOWN, shortened
from chargepoint_model.conformance.model import Error, Finding, Part, Result, Verdict

CONNECTOR = 1
"""The connector that is worked on: every charge point has one of that number."""


ENDS = ("Installed", "InstallationFailed", "DownloadFailed", "InvalidSignature", "InstallVerificationFailed")
"""Statuses that no other follows (OCPP 1.6, section 7.25; security whitepaper, section 5.6)."""


class Deviation(Exception):  # noqa: N818 - it is what a test finds
    """The charge point did something else.

    Args:
        expected: what it should have done.
        came: what it did.
    """

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"expected {expected}, came {came}")
        self.expected = expected
        self.came = came


class Unsupported(Exception):  # noqa: N818 - it is what a test finds
    """The charge point does not know a message."""


class Bench:
    """One charge point on the bench.

    Args:
        central: what it is connected to.
        examiner: asks it.
    """

    def __init__(self, central: PlayedCentral, examiner: Examiner) -> None:
        self.central = central
        self.id_tag = central.room.id_tag
        self._examiner = examiner
        self._since = 0

    def mark(self) -> None:
        """From here on is what `sees` looks at."""
        self._since = len(self.central.heard)

    async def ask(self, action: str, payload: Payload) -> Payload:
        """The result of a CALL; from here on is what `sees` looks at.

        Raises:
            Deviation: it was not answered with a result of the action.
            Unsupported: the charge point does not know the action.
            LinkLostError: it is gone.
        """
        self.mark()
        answer = await self._examiner.ask(action, payload)
        match answer:
            case Result(result):
                try:
                    check_result(action, result)
                except BadResultError as error:
                    raise Deviation(f"a result of {action}", f"{shown(answer)}: {error}") from None
                return result
            case Error(code, _) if code in UNKNOWN:
                raise Unsupported(f"{action} is not supported")
            case _:
                raise Deviation(f"a result of {action}", shown(answer))

    async def asks(self, action: str, payload: Payload, *statuses: str) -> Payload:
        """The same, with one of these statuses."""
        result = await self.ask(action, payload)
        if result.get("status") not in statuses:
            raise Deviation(f"{action} {payload} answered {' or '.join(statuses)}", f"{result}")
        return result

    async def sees(self, action: str, *, timeout_s: float | None = None, **fields: Any) -> Payload:  # noqa: ANN401 - JSON
        """A CALL of the charge point's with these fields, since the last question.

        Raises:
            Deviation: it did not come in time.
        """
        expected = f"{action} with {fields}" if fields else action
        return await self._seen(action, expected, lambda payload: fields.items() <= payload.items(), timeout_s)

    async def sees_the_end(self, action: str) -> Payload:
        """The last of the CALLs that report on an update of the firmware, since the last question.

        Raises:
            Deviation: it did not come in time.
        """
        return await self._seen(
            action,
            f"{action} that ends it",
            lambda payload: payload.get("status") in ENDS,
            self.central.room.return_s,
        )

    async def _seen(
        self, action: str, expected: str, fits: Callable[[Payload], bool], timeout_s: float | None
    ) -> Payload:
        since = self._since
        seen = await self.central.hears(action, since, fits, timeout_s)
        if seen is None:
            said = ", ".join(f"{one.action} {one.payload}" for one in self.central.heard[since:])
            raise Deviation(expected, said or "nothing")
        return seen

    async def returns(self) -> None:
        """Wait for a BootNotification on a new connection.

        Raises:
            Deviation: it did not come in time.
        """
        await self.sees("BootNotification", timeout_s=self.central.room.return_s)

    async def start(self) -> int:
        """Have a transaction started remotely; its id."""
        before = set(self.central.open_transactions)
        await self.asks("RemoteStartTransaction", {"idTag": self.id_tag, "connectorId": CONNECTOR}, "Accepted")
        started = await self.sees("StartTransaction", connectorId=CONNECTOR, idTag=self.id_tag)
        for transaction_id in self.central.open_transactions.keys() - before:
            return transaction_id
        raise Deviation("a StartTransaction that is right by its schema", f"{started}")

    async def stop(self, transaction_id: int) -> Payload:
        """Have it stopped, and wait until its connector is free; the StopTransaction."""
        await self.asks("RemoteStopTransaction", {"transactionId": transaction_id}, "Accepted")
        stopped = await self.sees("StopTransaction", transactionId=transaction_id)
        await self.is_free()
        return stopped

    async def is_free(self) -> None:
        """Wait until the connector has said that it is available, since the last question."""
        await self.sees("StatusNotification", connectorId=CONNECTOR, status="Available")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One test of what a charge point does."""

    subject: str
    name: str
    run: Callable[[Bench], Awaitable[None]]
    profile: str | None = None
    """The optional profile that it is about; a charge point that lacks it is let off."""

    async def examine(self, bench: Bench) -> Finding:
        """Run it.

        Raises:
            LinkLostError: the charge point is gone.
        """
        try:
            await self.run(bench)
        except Deviation as deviation:
            return self._finding(
                Verdict.FAIL, "it does not do what it should", shortened(deviation.came), deviation.expected
            )
        except Unsupported as error:
            if self.profile is None:
                return self._finding(Verdict.FAIL, str(error))
            return self._finding(Verdict.SKIP, f"the profile {self.profile} is not supported")
        return self._finding(Verdict.PASS)

    def _finding(self, verdict: Verdict, why: str = "", came: str = "", expected: str = "") -> Finding:
        return Finding(
            part=Part.BEHAVIOUR,
            subject=self.subject,
            name=self.name,
            semantic=verdict,
            why=why,
            came=came,
            expected=expected,
        )
