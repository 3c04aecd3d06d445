"""Plays a central system, and examines the charge point that connects to it.

Schema cases that a charge point takes have their effects: after each the charge point is put right again, so
that the next finds it as it was.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from cascade.errors import LinkLostError
from cascade.roaming.model import utc_text
from chargepoint_model.conformance import frame_cases, generation, sequences
from chargepoint_model.conformance.bench import CONNECTOR, Bench
from chargepoint_model.conformance.central import Heard, PlayedCentral, Room
from chargepoint_model.conformance.certificates import certificate
from chargepoint_model.conformance.core_behaviour import CORE
from chargepoint_model.conformance.examiner import Examiner
from chargepoint_model.conformance.findings import shortened
from chargepoint_model.conformance.model import Case, Conforms, Finding, Part, Result, Values, Verdict
from chargepoint_model.conformance.profile_behaviour import NOWHERE, PROFILES
from chargepoint_model.conformance.tidying import tidy, tidy_all

PARTS = (Part.BEHAVIOUR, Part.FRAMES, Part.GENERATED, Part.PROFILES, Part.OWN)
"""In the order in which they are run: what may reboot the charge point comes late."""


def _values(id_tag: str) -> Values:
    now = datetime.now(UTC).replace(microsecond=0)
    soon = utc_text(now + timedelta(hours=1))
    pem = certificate("Conformance")
    return {
        "connectorId": CONNECTOR,
        "idTag": id_tag,
        "key": "MeterValueSampleInterval",
        "value": "60",
        "transactionId": 2**31 - 1,
        "reservationId": 1,
        "listVersion": 1,
        "duration": 60,
        "stackLevel": 0,
        "startPeriod": 0,
        "limit": 16,
        "numberPhases": 3,
        "minChargingRate": 6,
        "location": NOWHERE,
        "remoteLocation": NOWHERE,
        "certificate": pem,
        "certificateChain": pem,
        "expiryDate": soon,
        "validTo": soon,
        "latestTimestamp": soon,
        "stopTime": soon,
        **dict.fromkeys(("retrieveDate", "retrieveDateTime", "installDateTime", "validFrom"), utc_text(now)),
        **dict.fromkeys(("startSchedule", "startTime", "oldestTimestamp"), utc_text(now)),
    }


class Session:
    """The examination of one charge point.

    Args:
        central: what it connects to; it has been started.
    """

    def __init__(self, central: PlayedCentral) -> None:
        self._central = central
        self._examiner = Examiner(central, central.room.timeout_s)
        self._bench = Bench(central, self._examiner)
        self._behaviour: list[Finding] = []
        self._parts: Collection[Part] = ()

    async def run(self, parts: Collection[Part]) -> None:
        """Wait for the charge point, and examine it.

        Raises:
            LinkLostError: it does not come, or not back.
        """
        self._parts = parts
        await self._central.wire()
        if Part.BEHAVIOUR in parts:
            for behaviour in (*CORE, *PROFILES):
                finding = await behaviour.examine(self._bench)
                self._behaviour.append(finding)
                if finding.semantic is Verdict.FAIL:
                    await tidy_all(self._bench)
        if Part.FRAMES in parts:
            await self._frames()
        values = _values(self._central.room.id_tag)
        if Part.GENERATED in parts:
            await self._all(generation.cases(Part.GENERATED, generation.CORE_FROM_CENTRAL_SYSTEM, values))
        if Part.PROFILES in parts:
            actions = [
                action for actions in generation.PROFILES_FROM_CENTRAL_SYSTEM.values() for action in actions
            ]
            await self._all(generation.cases(Part.PROFILES, actions, values))

    async def _frames(self) -> None:
        for case in frame_cases.cases(("GetConfiguration", '{"key":["HeartbeatInterval"]}'), "Heartbeat"):
            await self._examiner.examine(case)
        action, payload = self._central.fence
        await sequences.reuse_an_id(self._examiner, action, payload)
        await sequences.pipeline(
            self._examiner,
            [(action, payload), ("ClearCache", {}), ("GetConfiguration", {"key": ["NoSuchKey"]})],
        )

    async def _all(self, cases: list[Case]) -> None:
        for case in cases:
            self._bench.mark()
            exchange = await self._examiner.examine(case)
            match case.expects, exchange.answers:
                case Conforms(), [Result(result)]:
                    await tidy(self._bench, case.subject, case.payload or {}, result)

    async def findings(self) -> list[Finding]:
        """What became of the cases so far."""
        examined = await self._examiner.findings(generation.PROFILES_FROM_CENTRAL_SYSTEM)
        found = [*examined, *self._behaviour, *(own(self._central) if Part.OWN in self._parts else ())]
        order = list(Part)
        return sorted(found, key=lambda finding: order.index(finding.part))


def own(central: PlayedCentral) -> list[Finding]:
    """Whether what the charge point asked is in the standard: a finding for each action."""
    first: dict[str, Heard] = {}
    for heard in central.heard:
        if heard.action not in first or (heard.fault and not first[heard.action].fault):
            first[heard.action] = heard
    return [
        Finding(
            part=Part.OWN,
            subject=action,
            name="every one is right by the schema",
            semantic=Verdict.FAIL if heard.fault else Verdict.PASS,
            why=heard.fault,
            came=shortened(f"{heard.payload}") if heard.fault else "",
            expected=f"a {action} of OCPP 1.6",
        )
        for action, heard in sorted(first.items())
    ]


async def examine(
    room: Room, parts: Collection[Part], on_listening: Callable[[int], None]
) -> tuple[str, list[Finding], str]:
    """Examine a charge point; its identity, what became of the cases, and why the run ended early if it did.

    Args:
        room: where to listen, and for whom.
        parts: which to run.
        on_listening: told the port, once it is open.

    Raises:
        LinkLostError: no charge point came.
        SetupError: the address cannot be had.
    """
    central = PlayedCentral(room)
    await central.start()
    try:
        on_listening(central.port)
        await central.wire()
        session = Session(central)
        ended = ""
        try:
            await session.run(parts)
        except LinkLostError as error:
            ended = str(error)
        return central.identity or "", await session.findings(), ended
    finally:
        await central.stop()
