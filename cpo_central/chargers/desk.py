"""Answers chargers: the operations of the Core profile that a charge point initiates (OCPP 1.6, section 4).

Requests have been checked against the standard's schemas; what these leave open is checked here.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

import structlog

from cascade.frames import Payload
from cascade.roaming.model import utc_text
from cpo_central.cdrs.decisions import Stop
from cpo_central.cdrs.outbox import Route
from cpo_central.chargers.acceptance import Registration
from cpo_central.chargers.charge_points import ChargePointStore
from cpo_central.chargers.events import EventKind, Events
from cpo_central.chargers.requests import integer, moment
from cpo_central.chargers.server import Operation
from cpo_central.chargers.transactions import MeterValue, Start, Stopped, TransactionStore
from cpo_central.drivers.authorizer import Authorizer

log = structlog.get_logger()


class Intervals(NamedTuple):
    """What the answer to a BootNotification tells to keep to, in seconds."""

    heartbeat_s: int
    boot_retry_s: int
    """Until a charge point that is not accepted boots again."""


class ChargerDesk:
    """Answers chargers.

    Args:
        charge_points: who chargers are.
        transactions: what chargers report.
        authorizer: decides about drivers.
        events: told how things stand at connectors.
        intervals: what chargers are told to keep to.
        on_cdr: told that a CDR was queued.
    """

    def __init__(
        self,
        *,
        charge_points: ChargePointStore,
        transactions: TransactionStore,
        authorizer: Authorizer,
        events: Events,
        intervals: Intervals,
        on_cdr: Callable[[], None],
    ) -> None:
        self._charge_points = charge_points
        self._transactions = transactions
        self._authorizer = authorizer
        self._events = events
        self._intervals = intervals
        self._on_cdr = on_cdr

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What is answered, by action."""
        return {
            "BootNotification": self._boot,
            "Heartbeat": self._heartbeat,
            "StatusNotification": self._status,
            "Authorize": self._authorize,
            "StartTransaction": self._start,
            "MeterValues": self._meter_values,
            "StopTransaction": self._stop,
            "DataTransfer": self._data_transfer,
        }

    async def _boot(self, charge_point_id: str, request: Payload) -> Payload:
        now = datetime.now(UTC)
        registration = await self._charge_points.record_boot(charge_point_id, request, now)
        log.info(
            "charger_booted",
            charge_point=charge_point_id,
            registration=registration.value,
            vendor=request["chargePointVendor"],
            model=request["chargePointModel"],
            firmware=request.get("firmwareVersion"),
        )
        accepted = registration is Registration.ACCEPTED
        interval_s = self._intervals.heartbeat_s if accepted else self._intervals.boot_retry_s
        return {"status": registration.value, "currentTime": utc_text(now), "interval": interval_s}

    async def _heartbeat(self, _: str, __: Payload) -> Payload:
        return {"currentTime": utc_text(datetime.now(UTC))}

    async def _status(self, charge_point_id: str, request: Payload) -> Payload:
        integer(request, "connectorId", least=0)
        await self._charge_points.record_status(charge_point_id, request, datetime.now(UTC))
        self._events.publish(EventKind.STATUS, charge_point_id, request)
        return {}

    async def _authorize(self, charge_point_id: str, request: Payload) -> Payload:
        decision = await self._authorizer.authorize(charge_point_id, request["idTag"])
        return {"idTagInfo": decision.info}

    async def _start(self, charge_point_id: str, request: Payload) -> Payload:
        start = Start(
            charge_point_id=charge_point_id,
            connector_id=integer(request, "connectorId", least=1),
            id_tag=request["idTag"],
            meter_start=integer(request, "meterStart"),
            started_at=moment(request, "timestamp"),
        )
        transaction = self._transactions.find_start(start)
        if transaction is None:
            decision = await self._authorizer.authorize_start(charge_point_id, start.id_tag)
            transaction = await self._transactions.start(start, decision, uuid4())
            details = {"transactionId": transaction.transaction_id, **_public(request)}
            self._events.publish(EventKind.TRANSACTION_STARTED, charge_point_id, details)
        return {"transactionId": transaction.transaction_id, "idTagInfo": transaction.answer}

    async def _meter_values(self, charge_point_id: str, request: Payload) -> Payload:
        connector_id = integer(request, "connectorId", least=0)
        transaction_id = integer(request, "transactionId") if "transactionId" in request else None
        await self._transactions.record_meter_values(
            charge_point_id, connector_id, transaction_id, _meter_values(request["meterValue"])
        )
        self._events.publish(EventKind.METER_VALUES, charge_point_id, request)
        return {}

    async def _stop(self, charge_point_id: str, request: Payload) -> Payload:
        stop = Stop(
            charge_point_id=charge_point_id,
            transaction_id=integer(request, "transactionId"),
            meter_stop=integer(request, "meterStop"),
            stopped_at=moment(request, "timestamp"),
            reason=request.get("reason"),
            id_tag=request.get("idTag"),
        )
        stopped, cdr = await self._transactions.stop(
            stop, _meter_values(request.get("transactionData", [])), request, datetime.now(UTC)
        )
        if stopped is Stopped.ORPHAN:
            log.warning("orphan_stop", charge_point=charge_point_id, transaction_id=stop.transaction_id)
        if stopped is Stopped.NOW:
            self._events.publish(EventKind.TRANSACTION_STOPPED, charge_point_id, _public(request))
        if cdr is not None:
            log.info(
                "cdr",
                cdr_id=str(cdr.cdr_id),
                stage="queued",
                route=Route.of(cdr).value,
                operator=cdr.home_operator_id,
            )
            self._on_cdr()
        info = None if stop.id_tag is None else self._authorizer.known_here(stop.id_tag)
        return {} if info is None else {"idTagInfo": info}

    async def _data_transfer(self, charge_point_id: str, request: Payload) -> Payload:
        """No vendor's extensions are known here."""
        log.info("data_transfer", charge_point=charge_point_id, vendor=request["vendorId"])
        return {"status": "UnknownVendorId"}


def _public(request: Payload) -> Payload:
    """What watchers may know of a request: who holds an idTag can charge with it."""
    return {field: value for field, value in request.items() if field != "idTag"}


def _meter_values(values: list[dict[str, Any]]) -> list[MeterValue]:
    return [MeterValue(utc_text(moment(value, "timestamp")), value["sampledValue"]) for value in values]
