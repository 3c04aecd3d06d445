"""Transactions, and what meters said."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from cascade.frames import Payload
from cascade.roaming.model import IdTag, Number
from cpo_central.rest import queries
from cpo_central.rest.access import protected
from cpo_central.rest.api_keys import Role
from cpo_central.rest.parts import Document, From, Given, Limit, Page, TimeText, To, page, whole_seconds
from cpo_central.rest.problems import Kind, ProblemError

router = APIRouter(prefix="/api/v1", tags=["transactions"])

After = Annotated[Number | None, Query(description="`next` of the page before.")]
TransactionIdPath = Annotated[Number, Path(examples=[1])]


class TransactionDocument(Document):
    """A transaction; energy in Wh."""

    transaction_id: int
    cdr_id: str
    charge_point_id: str
    connector_id: int
    id_tag: str
    status: str
    """What the charge point was told about the idTag (OCPP 1.6, AuthorizationStatus)."""
    decided_by: str
    """own, whitelist, hub, peer or none."""
    authorization_reference: str | None
    home_operator_id: str | None
    started_at: TimeText
    meter_start: int
    stopped_at: TimeText | None
    """null: it is open."""
    meter_stop: int | None
    stop_reason: str | None
    stop_id_tag: str | None


class MeterValueDocument(Document):
    """One meterValue of a MeterValues or StopTransaction request."""

    id: int
    charge_point_id: str
    connector_id: int | None
    transaction_id: int | None
    timestamp: TimeText
    sampled_value: list[Payload]
    """As the standard has them."""


@router.get("/transactions", summary="Transactions, the newest first", **protected(Role.READ))
async def list_transactions(
    parts: Given,
    charge_point_id: Annotated[str | None, Query(alias="chargePointId")] = None,
    id_tag: Annotated[IdTag | None, Query(alias="idTag", description="Without case.")] = None,
    is_open: Annotated[
        bool | None, Query(alias="open", description="true: those that go on; false: those that are over.")
    ] = None,
    from_: From = None,
    to: To = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[TransactionDocument]:
    """`from` and `to` bound their beginnings."""
    found = await parts.database.scan(
        lambda connection: queries.transactions(
            connection,
            charge_point_id=charge_point_id,
            id_tag=id_tag,
            is_open=is_open,
            start=whole_seconds(from_),
            end=whole_seconds(to),
            after=after,
            limit=limit,
        )
    )
    items = [TransactionDocument.model_validate(record) for record in found]
    return page(items, limit, items[-1].transaction_id if items else None)


@router.get("/transactions/{transaction_id}", summary="One transaction", **protected(Role.READ, Kind.NOT_FOUND))
async def get_transaction(parts: Given, transaction_id: TransactionIdPath) -> TransactionDocument:
    """By the transactionId that the charge point was given."""
    record = queries.transaction(parts.database.reader, transaction_id)
    if record is None:
        raise _unknown(transaction_id)
    return TransactionDocument.model_validate(record)


@router.get(
    "/transactions/{transaction_id}/meter-values",
    summary="What the meter said during a transaction",
    **protected(Role.READ, Kind.NOT_FOUND),
)
async def list_values_of_transaction(
    parts: Given, transaction_id: TransactionIdPath, after: After = None, limit: Limit = 100
) -> Page[MeterValueDocument]:
    """In the order of their times."""
    if queries.transaction(parts.database.reader, transaction_id) is None:
        raise _unknown(transaction_id)
    found = await parts.database.scan(
        lambda connection: queries.meter_values(
            connection, transaction_id=transaction_id, after=after, limit=limit
        )
    )
    return _values(found, limit)


@router.get("/meter-values", summary="What the meters of a charge point said", **protected(Role.READ))
async def list_values(
    parts: Given,
    charge_point_id: Annotated[str, Query(alias="chargePointId")],
    from_: From = None,
    to: To = None,
    after: After = None,
    limit: Limit = 100,
) -> Page[MeterValueDocument]:
    """In the order of their times, in transactions and outside of them."""
    found = await parts.database.scan(
        lambda connection: queries.meter_values(
            connection,
            charge_point_id=charge_point_id,
            start=whole_seconds(from_),
            end=whole_seconds(to),
            after=after,
            limit=limit,
        )
    )
    return _values(found, limit)


def _values(found: list[queries.Record], limit: int) -> Page[MeterValueDocument]:
    items = [MeterValueDocument.model_validate(record) for record in found]
    return page(items, limit, items[-1].id if items else None)


def _unknown(transaction_id: int) -> ProblemError:
    return ProblemError(
        Kind.NOT_FOUND, f"there is no transaction {transaction_id}: the list shows which there are"
    )
