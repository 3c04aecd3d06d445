"""Our charge points: how they are registered, and what they have said about themselves.

That a charge point is accepted outlives its links and our restarts. Whoever serves a link holds the `Standing`
of its charge point, which changes when the registration does, whoever changes it.
"""

import sqlite3
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import orjson

from cascade.database import Database
from cascade.frames import Payload
from cascade.roaming.model import utc_text
from cpo_central.chargers.acceptance import Registration, Standing


class Progress(StrEnum):
    """What a charge point keeps us informed about while it is at it."""

    FIRMWARE = "firmware_status"
    DIAGNOSTICS = "diagnostics_status"
    LOG = "log_status"


class ChargePoint(NamedTuple):
    """A charge point as it is stored."""

    charge_point_id: str
    registration: Registration
    boot: Payload | None
    """Its last BootNotification; None if it was registered and has not come yet."""
    booted_at: str | None
    last_seen_at: str | None
    """When its link last came up or went."""
    local_list_version: int
    """Of the list that it holds, as far as we know; 0: none."""
    firmware_status: Payload | None
    """The last notification about it: `status`, perhaps `requestId`, and `reportedAt`."""
    diagnostics_status: Payload | None
    log_status: Payload | None


class LocalList(NamedTuple):
    """Which local authorization list a charge point holds, as far as we know."""

    version: int
    """0: none."""
    change: int
    """The change of our own tokens that it tells up to."""


class Connector(NamedTuple):
    """The last that was said about a connector; connector 0 is the charge point as a whole."""

    connector_id: int
    status: str
    error_code: str
    notification: Payload
    """The whole StatusNotification."""
    reported_at: str


_COLUMNS = (
    "charge_point_id, registration, boot, booted_at, last_seen_at, local_list_version, "
    "firmware_status, diagnostics_status, log_status"
)


class ChargePointStore:
    """The charge points that have come here, or are registered.

    Args:
        database: ours.
        newcomers: how a charge point that nobody has registered is registered when it boots.
    """

    def __init__(self, database: Database, newcomers: Registration = Registration.ACCEPTED) -> None:
        self._database = database
        self._newcomers = newcomers
        self._standings: WeakValueDictionary[str, Standing] = WeakValueDictionary()

    # --- registration ---------------------------------------------------------------------------------------

    def standing(self, charge_point_id: str) -> Standing:
        """How a charge point stands with us; what is returned follows every change."""
        standing = self._standings.get(charge_point_id)
        if standing is None:
            registered = _registered(self._database.reader, charge_point_id)
            registration, booted = registered or (self._newcomers, False)
            standing = self._standings[charge_point_id] = Standing(registration, booted)
        return standing

    async def register(self, charge_point_id: str, registration: Registration) -> ChargePoint:
        """Register a charge point, or change the registration of one that is known."""

        def job(connection: sqlite3.Connection) -> ChargePoint:
            connection.execute(
                "INSERT INTO charge_point (charge_point_id, registration) VALUES (?, ?) "
                "ON CONFLICT DO UPDATE SET registration = excluded.registration",
                (charge_point_id, registration.value),
            )
            found = _find(connection, charge_point_id)
            assert found is not None, "it has been written"
            return found

        return self._follow(await self._database.write(job))

    async def set_registration(self, charge_point_id: str, registration: Registration) -> ChargePoint | None:
        """Change the registration of a charge point; None, and no change, if it is not known."""

        def job(connection: sqlite3.Connection) -> ChargePoint | None:
            connection.execute(
                "UPDATE charge_point SET registration = ? WHERE charge_point_id = ?",
                (registration.value, charge_point_id),
            )
            return _find(connection, charge_point_id)

        found = await self._database.write(job)
        return None if found is None else self._follow(found)

    def secret_hash(self, charge_point_id: str) -> str | None:
        """What is kept of a charge point's password, if it has one."""
        row = self._database.reader.execute(
            "SELECT secret_hash FROM charge_point WHERE charge_point_id = ?", (charge_point_id,)
        ).fetchone()
        return None if row is None else row[0]

    async def set_secret_hash(self, charge_point_id: str, secret_hash: str) -> None:
        """Have a charge point that is known show a password from now on."""
        await self._update(charge_point_id, "secret_hash", secret_hash)

    async def record_boot(self, charge_point_id: str, boot: Payload, now: datetime) -> Registration:
        """Keep what a charge point said when it started; returns what it is to be told."""

        def job(connection: sqlite3.Connection) -> ChargePoint:
            connection.execute(
                "INSERT INTO charge_point (charge_point_id, registration, boot, booted_at, last_seen_at) "
                "VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO UPDATE SET "
                "boot = excluded.boot, booted_at = excluded.booted_at, last_seen_at = excluded.last_seen_at",
                (charge_point_id, self._newcomers.value, orjson.dumps(boot).decode(), utc_text(now)),
            )
            found = _find(connection, charge_point_id)
            assert found is not None, "it has been written"
            return found

        return self._follow(await self._database.write(job)).registration

    async def refresh(self) -> None:
        """Somebody else, such as a command line, has written: look again how charge points stand."""

        def job(connection: sqlite3.Connection) -> list[tuple[str, str, bool]]:
            query = "SELECT charge_point_id, registration, booted_at IS NOT NULL FROM charge_point"
            return connection.execute(query).fetchall()

        # among our own writes, so that what is found is not older than what one of them has changed meanwhile
        for charge_point_id, registration, booted in await self._database.write(job):
            standing = self._standings.get(charge_point_id)
            if standing is not None:
                standing.change(Registration(registration), booted=bool(booted))

    def _follow(self, charge_point: ChargePoint) -> ChargePoint:
        standing = self._standings.get(charge_point.charge_point_id)
        if standing is not None:
            standing.change(charge_point.registration, booted=charge_point.booted_at is not None)
        return charge_point

    # --- what they have said --------------------------------------------------------------------------------

    def get(self, charge_point_id: str) -> ChargePoint | None:
        """A charge point, if it has ever booted or is registered."""
        return _find(self._database.reader, charge_point_id)

    async def all(self) -> list[ChargePoint]:
        """Every charge point, by its id."""

        def job(connection: sqlite3.Connection) -> list[ChargePoint]:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM charge_point ORDER BY charge_point_id")
            return [_charge_point(row) for row in rows]

        return await self._database.scan(job)

    def connectors(self, charge_point_id: str) -> list[Connector]:
        """The connectors of a charge point of which it has told."""
        rows = self._database.reader.execute(
            "SELECT connector_id, status, error_code, notification, reported_at FROM connector "
            "WHERE charge_point_id = ? ORDER BY connector_id",
            (charge_point_id,),
        )
        return [
            Connector(connector_id, status, error_code, orjson.loads(whole), at)
            for connector_id, status, error_code, whole, at in rows
        ]

    def local_list(self, charge_point_id: str) -> LocalList:
        """Which local authorization list a charge point holds."""
        row = self._database.reader.execute(
            "SELECT local_list_version, local_list_change FROM charge_point WHERE charge_point_id = ?",
            (charge_point_id,),
        ).fetchone()
        return LocalList(0, 0) if row is None else LocalList(*row)

    async def record_local_list(self, charge_point_id: str, held: LocalList) -> None:
        """Keep which local authorization list a charge point holds now."""
        await self._database.write(
            lambda connection: connection.execute(
                "UPDATE charge_point SET local_list_version = ?, local_list_change = ? "
                "WHERE charge_point_id = ?",
                (*held, charge_point_id),
            )
        )

    async def record_seen(self, charge_point_id: str, now: datetime) -> None:
        """Its link has come up or has gone; of one that is not known nothing is kept."""
        await self._update(charge_point_id, "last_seen_at", utc_text(now))

    async def record_progress(
        self, charge_point_id: str, progress: Progress, said: Payload, now: datetime
    ) -> None:
        """Keep the last notification about something that a charge point was asked to do."""
        told = orjson.dumps({**said, "reportedAt": utc_text(now)}).decode()
        await self._update(charge_point_id, progress.value, told)

    async def record_status(self, charge_point_id: str, notification: Payload, now: datetime) -> None:
        """Keep the last status of a connector."""
        row = (
            charge_point_id,
            notification["connectorId"],
            notification["status"],
            notification["errorCode"],
            orjson.dumps(notification).decode(),
            utc_text(now),
        )
        await self._database.write(
            lambda connection: connection.execute("REPLACE INTO connector VALUES (?, ?, ?, ?, ?, ?)", row)
        )

    async def _update(self, charge_point_id: str, column: str, value: str) -> None:
        await self._database.write(
            lambda connection: connection.execute(
                f"UPDATE charge_point SET {column} = ? WHERE charge_point_id = ?", (value, charge_point_id)
            )
        )


def _registered(connection: sqlite3.Connection, charge_point_id: str) -> tuple[Registration, bool] | None:
    row = connection.execute(
        "SELECT registration, booted_at IS NOT NULL FROM charge_point WHERE charge_point_id = ?",
        (charge_point_id,),
    ).fetchone()
    return None if row is None else (Registration(row[0]), bool(row[1]))


def _find(connection: sqlite3.Connection, charge_point_id: str) -> ChargePoint | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM charge_point WHERE charge_point_id = ?", (charge_point_id,)
    ).fetchone()
    return None if row is None else _charge_point(row)


def _charge_point(row: tuple[Any, ...]) -> ChargePoint:
    charge_point_id, registration, boot, booted_at, last_seen_at, version, *progress = row
    return ChargePoint(
        charge_point_id,
        Registration(registration),
        _document(boot),
        booted_at,
        last_seen_at,
        version,
        *map(_document, progress),
    )


def _document(text: str | None) -> Payload | None:
    return None if text is None else orjson.loads(text)
