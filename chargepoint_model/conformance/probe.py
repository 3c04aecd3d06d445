"""Examines a central system: the paper's cases, and what goes beyond them."""

import itertools
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

from cascade.errors import LinkLostError, SetupError
from cascade.frames import Payload
from cascade.roaming.model import utc_text
from chargepoint_model.conformance import frame_cases, generation, paper, sequences
from chargepoint_model.conformance.certificates import signing_request
from chargepoint_model.conformance.charge_point import PlayedChargePoint, Target
from chargepoint_model.conformance.examiner import Examiner
from chargepoint_model.conformance.model import (
    TRANSACTION,
    Case,
    Finding,
    Part,
    Refused,
    Result,
    Values,
    Verdict,
)

PARTS = (Part.PAPER, Part.GENERATED, Part.PROFILES, Part.FRAMES)

STRANGER = "-stranger"
"""Ends the identity under which the tool connects without booting."""

BOOT = {"chargePointVendor": "NAP cascade", "chargePointModel": "Message testing tool"}

STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}

NO_TRANSACTION = 1
"""Stands for the id of a transaction where none could be started."""


class Probe:
    """Examines one central system.

    Args:
        target: which, and who we are to it.
        station: our end of the connection.
    """

    def __init__(self, target: Target, station: PlayedChargePoint) -> None:
        self._target = target
        self._station = station
        self._examiner = Examiner(station, target.timeout_s)
        self._transaction_id: int | None = None
        self._meters = itertools.count(1_000_000)
        self._skipped: list[Finding] = []

    async def run(self, parts: Collection[Part]) -> None:
        """Boot, and examine.

        Raises:
            LinkLostError: the central system cannot be reached, or not any more.
            SetupError: it does not know the charge point or the idTag.
        """
        await self._boot()
        now, id_tag = utc_text(datetime.now(UTC)), self._target.id_tag
        values: Values = {
            "connectorId": 1,
            "idTag": id_tag,
            "transactionId": TRANSACTION,
            "timestamp": now,
            "value": "1500",
            "csr": signing_request(self._target.identity),
        }
        actions = [action for actions in generation.PROFILES_FROM_CHARGE_POINT.values() for action in actions]
        cases = {
            Part.PAPER: paper.cases(id_tag, now),
            Part.GENERATED: generation.cases(Part.GENERATED, generation.CORE_FROM_CHARGE_POINT, values),
            Part.PROFILES: generation.cases(Part.PROFILES, actions, values),
            Part.FRAMES: frame_cases.cases(("Heartbeat", "{}"), foreign="Reset"),
        }
        for part in PARTS:
            if part in parts:
                for case in cases[part]:
                    await self._examine(case)
        await self._stop()
        if Part.FRAMES in parts:
            await sequences.reuse_an_id(self._examiner, "Heartbeat", {})
            await sequences.pipeline(
                self._examiner, [("BootNotification", BOOT), ("StatusNotification", STATUS), ("Heartbeat", {})]
            )
            await self._speak_before_booting()

    async def findings(self) -> list[Finding]:
        """What became of the cases so far."""
        return [*await self._examiner.findings(generation.PROFILES_FROM_CHARGE_POINT), *self._skipped]

    async def _boot(self) -> None:
        """A central system that answers nothing proper is examined all the same."""
        identity, id_tag = self._target.identity, self._target.id_tag
        match await self._examiner.ask("BootNotification", BOOT):
            case Result({"status": "Pending" | "Rejected" as status}):
                raise SetupError(
                    f"{identity} is {status} at the central system: accept that charge point there"
                )
        match await self._examiner.ask("Authorize", {"idTag": id_tag}):
            case Result({"idTagInfo": {"status": "Blocked" | "Expired" | "Invalid" as status}}):
                raise SetupError(
                    f"the idTag {id_tag} is {status} at the central system: "
                    "register it there, or name another with --id-tag"
                )

    async def _examine(self, case: Case) -> None:
        """Examine with an open transaction where one is spoken of, and with none where one is started."""
        payload = case.payload
        if payload is not None and payload.get("transactionId") == TRANSACTION:
            payload = {**payload, "transactionId": await self._transaction()}
        elif case.subject == "StartTransaction":
            await self._stop()
        exchange = await self._examiner.examine(replace(case, payload=payload))
        match case.subject, exchange.answers:
            case "StartTransaction", [Result({"transactionId": int(started)})]:
                self._transaction_id = started
            case "StopTransaction", [Result()]:
                self._transaction_id = None

    async def _transaction(self) -> int:
        """The id of an open transaction; one is started if there is none."""
        if self._transaction_id is None:
            start = {
                "connectorId": 1,
                "idTag": self._target.id_tag,
                "meterStart": next(self._meters),
                "timestamp": utc_text(datetime.now(UTC)),
            }
            match await self._examiner.ask("StartTransaction", start):
                case Result({"transactionId": int(started)}):
                    self._transaction_id = started
                case _:
                    return NO_TRANSACTION
        return self._transaction_id

    async def _stop(self) -> None:
        if self._transaction_id is not None:
            stop = {
                "transactionId": self._transaction_id,
                "meterStop": next(self._meters),
                "timestamp": utc_text(datetime.now(UTC)),
            }
            await self._examiner.ask("StopTransaction", stop)
            self._transaction_id = None

    async def _speak_before_booting(self) -> None:
        """Before a charge point is accepted it may not ask anything else (OCPP 1.6, section 4.2)."""
        authorize = {"idTag": self._target.id_tag}
        calls: list[tuple[str, Payload]] = [
            ("Heartbeat", {}),
            ("Authorize", authorize),
            ("StatusNotification", STATUS),
        ]
        cases = [
            sequences.call(f"before booting: {action}", action, payload, Refused("SecurityError"))
            for action, payload in calls
        ]
        try:
            wire = await self._station.dial(f"{self._target.identity}{STRANGER}")
        except LinkLostError as error:
            self._skipped += [
                Finding(
                    part=case.part,
                    subject=case.subject,
                    name=case.name,
                    semantic=Verdict.SKIP,
                    why=f"a charge point that it does not know may not connect: {error}",
                )
                for case in cases
            ]
            return
        for case in cases:
            await self._examiner.examine(case, wire=wire)


async def examine(target: Target, parts: Collection[Part]) -> tuple[list[Finding], str]:
    """Examine a central system; what became of the cases, and why the run ended early if it did.

    Raises:
        LinkLostError: it cannot be reached at all.
        SetupError: it does not know the charge point or the idTag.
    """
    station = PlayedChargePoint(target)
    probe, ended = Probe(target, station), ""
    try:
        await station.wire()
        try:
            await probe.run(parts)
        except LinkLostError as error:
            ended = str(error)
        return await probe.findings(), ended
    finally:
        await station.close()
