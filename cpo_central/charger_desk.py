"""Answers chargers: the operations that OCPP 1.6 lets a charge point initiate (section 4).

Requests have been checked against the standard's schemas; what these leave open is checked here.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import structlog

from cascade.errors import BadValueError
from cascade.frames import Payload
from cascade.link import Handler
from cascade.roaming.model import utc_text
from cpo_central.authorizer import Authorizer
from cpo_central.cdr_store import Route
from cpo_central.cdrs import Stop
from cpo_central.transactions import MeterValue, Start, Stopped, TransactionStore

log = structlog.get_logger()

INTEGER_MAX = 2**63 - 1
"""What the database holds; no meter gets there."""


class ChargerDesk:
    """Answers chargers.

    Args:
        transactions: what chargers report.
        authorizer: decides about drivers.
        heartbeat_interval_s: what chargers are told to keep to.
        on_cdr: told that a CDR was queued.
    """

    def __init__(
        self,
        *,
        transactions: TransactionStore,
        authorizer: Authorizer,
        heartbeat_interval_s: int,
        on_cdr: Callable[[], None],
    ) -> None:
        self._transactions = transactions
        self._authorizer = authorizer
        self._heartbeat_interval_s = heartbeat_interval_s
        self._on_cdr = on_cdr

    def handlers(self, charge_point_id: str) -> Mapping[str, Handler]:
        """The handlers of one charger's link."""
        operations = {
            "BootNotification": self._boot,
            "Heartbeat": self._heartbeat,
            "StatusNotification": self._status,
            "Authorize": self._authorize,
            "StartTransaction": self._start,
            "MeterValues": self._meter_values,
            "StopTransaction": self._stop,
            "DataTransfer": self._data_transfer,
        }

        def handler(action: str) -> Handler:
            operation = operations[action]
            return lambda call: operation(charge_point_id, call.payload)

        return {action: handler(action) for action in operations}

    async def _boot(self, charge_point_id: str, request: Payload) -> Payload:
        now = datetime.now(UTC)
        await self._transactions.record_boot(charge_point_id, request, now)
        return {"status": "Accepted", "currentTime": utc_text(now), "interval": self._heartbeat_interval_s}

    async def _heartbeat(self, _: str, __: Payload) -> Payload:
        return {"currentTime": utc_text(datetime.now(UTC))}

    async def _status(self, charge_point_id: str, request: Payload) -> Payload:
        _integer(request, "connectorId", least=0)
        await self._transactions.record_status(charge_point_id, request, datetime.now(UTC))
        return {}

    async def _authorize(self, charge_point_id: str, request: Payload) -> Payload:
        decision = await self._authorizer.authorize(charge_point_id, request["idTag"])
        return {"idTagInfo": decision.info}

    async def _start(self, charge_point_id: str, request: Payload) -> Payload:
        start = Start(
            charge_point_id=charge_point_id,
            connector_id=_integer(request, "connectorId", least=1),
            id_tag=request["idTag"],
            meter_start=_integer(request, "meterStart"),
            started_at=_moment(request, "timestamp"),
        )
        transaction = self._transactions.find_start(start)
        if transaction is None:
            decision = await self._authorizer.authorize_start(charge_point_id, start.id_tag)
            transaction = await self._transactions.start(start, decision, uuid4())
        return {"transactionId": transaction.transaction_id, "idTagInfo": transaction.info}

    async def _meter_values(self, charge_point_id: str, request: Payload) -> Payload:
        connector_id = _integer(request, "connectorId", least=0)
        transaction_id = _integer(request, "transactionId") if "transactionId" in request else None
        await self._transactions.record_meter_values(
            charge_point_id, connector_id, transaction_id, _meter_values(request["meterValue"])
        )
        return {}

    async def _stop(self, charge_point_id: str, request: Payload) -> Payload:
        stop = Stop(
            charge_point_id=charge_point_id,
            transaction_id=_integer(request, "transactionId"),
            meter_stop=_integer(request, "meterStop"),
            stopped_at=_moment(request, "timestamp"),
            reason=request.get("reason"),
            id_tag=request.get("idTag"),
        )
        stopped, cdr = await self._transactions.stop(
            stop, _meter_values(request.get("transactionData", [])), request, datetime.now(UTC)
        )
        if stopped is Stopped.ORPHAN:
            log.warning("orphan_stop", charge_point=charge_point_id, transaction_id=stop.transaction_id)
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


def _meter_values(values: list[dict[str, Any]]) -> list[MeterValue]:
    return [MeterValue(value["timestamp"], value["sampledValue"]) for value in values]


def _integer(request: Payload, field: str, *, least: int = -INTEGER_MAX) -> int:
    value: int = request[field]
    if not least <= value <= INTEGER_MAX:
        raise BadValueError(f"{field}: {value} is less than {least} or more than {INTEGER_MAX}")
    return value


def _moment(request: Payload, field: str) -> datetime:
    """A moment in UTC. The schema knows that it is RFC 3339, which has moments that no calendar has."""
    try:
        return datetime.fromisoformat(request[field].upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadValueError(f"{field}: {request[field]} is no moment: {error}") from None
