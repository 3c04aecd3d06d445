"""What the command line does with charge points, and how it shows them."""

from collections.abc import Sequence
from pathlib import Path

import typer

from cascade.database import Database
from cpo_central.chargers.acceptance import Registration
from cpo_central.chargers.charge_points import ChargePoint, ChargePointStore
from cpo_central.chargers.gate import password_hash
from cpo_central.chargers.server import CHARGE_POINT_ID_MAX
from cpo_central.commands.console import Record, print_json, show, with_database


async def list_charge_points(database: Path) -> list[Record]:
    """The charge points that have come, or are registered."""
    found = await with_database(database, lambda opened: ChargePointStore(opened).all())
    return [describe(charge_point) for charge_point in found]


async def add(database: Path, charge_point_id: str, registration: Registration, password: str | None) -> Record:
    """Register a charge point, or change one that is known.

    Args:
        database: where.
        charge_point_id: which.
        registration: whether it is accepted.
        password: what it must show from now on; None: what it had to show before, if anything.

    Raises:
        ValueError: the id is too long or empty, or the password too short.
    """
    if not 0 < len(charge_point_id) <= CHARGE_POINT_ID_MAX:
        raise ValueError(f"a charge point's id has 1 to {CHARGE_POINT_ID_MAX} characters")
    secret_hash = None if password is None else password_hash(password)

    async def put(opened: Database) -> ChargePoint:
        store = ChargePointStore(opened)
        charge_point = await store.register(charge_point_id, registration)
        if secret_hash is not None:
            await store.set_secret_hash(charge_point_id, secret_hash)
        return charge_point

    return describe(await with_database(database, put))


async def change(database: Path, charge_point_id: str, registration: Registration) -> Record | None:
    """Change the registration of a charge point; None if it is not known."""
    changed = await with_database(
        database, lambda opened: ChargePointStore(opened).set_registration(charge_point_id, registration)
    )
    return None if changed is None else describe(changed)


def describe(charge_point: ChargePoint) -> Record:
    """A charge point as the command line shows it."""
    boot = charge_point.boot or {}
    return {
        "chargePointId": charge_point.charge_point_id,
        "registration": charge_point.registration.value,
        "vendor": boot.get("chargePointVendor"),
        "model": boot.get("chargePointModel"),
        "firmwareVersion": boot.get("firmwareVersion"),
        "bootedAt": charge_point.booted_at,
        "lastSeenAt": charge_point.last_seen_at,
        "localListVersion": charge_point.local_list_version,
    }


def show_charge_points(records: Sequence[Record], *, as_json: bool) -> None:
    """Print charge points."""
    columns = ("chargePointId", "registration", "vendor", "model", "firmwareVersion", "bootedAt", "lastSeenAt")
    show(records, columns, as_json=as_json)


def show_added(record: Record, password: str | None, *, as_json: bool) -> None:
    """Print a charge point, and the password that was made for it: it is shown this once."""
    if as_json:
        print_json(record if password is None else {**record, "password": password})
        return
    show_charge_points([record], as_json=False)
    if password is not None:
        typer.echo(f"password, shown this once: {password}")
