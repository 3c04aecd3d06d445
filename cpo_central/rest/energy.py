"""Energy by day, charge point and token."""

from typing import Annotated

from fastapi import APIRouter, Query

from cpo_central.rest import queries
from cpo_central.rest.access import protected
from cpo_central.rest.api_keys import Role
from cpo_central.rest.parts import Document, From, Given, To, whole_seconds

router = APIRouter(prefix="/api/v1/energy", tags=["energy"])


class Energy(Document):
    """The energy of the sessions of a group."""

    group: str
    """The day (YYYY-MM-DD), chargePointId or idTag."""
    energy_wh: int
    sessions: int
    implausible_sessions: int
    """Those whose energy is not in the sum: below 0, or above 1 GWh. Their meter was replaced or is wrong."""


@router.get("", summary="Energy by day, charge point or token", **protected(Role.READ))
async def energy(
    parts: Given, group: Annotated[queries.Group, Query()] = "day", from_: From = None, to: To = None
) -> list[Energy]:
    """Of sessions that are over, each of which counts as a whole at its end.

    The day is that of the end in UTC, and `from` and `to` bound the ends. What goes on counts when it ends, so
    that a day that is past changes only if a charge point reports late.
    """
    found = await parts.database.scan(
        lambda connection: queries.energy(
            connection, group=group, start=whole_seconds(from_), end=whole_seconds(to)
        )
    )
    return [Energy.model_validate(record) for record in found]
