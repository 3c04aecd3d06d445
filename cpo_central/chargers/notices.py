"""What charge points report about their security, kept for staff: events, and certificates asked for."""

import sqlite3
from datetime import datetime
from typing import NamedTuple

from cascade.database import Database
from cascade.roaming.model import utc_text


class SecurityEvent(NamedTuple):
    """A SecurityEventNotification (security whitepaper, section 2.8)."""

    id: int
    """Grows with each that comes."""
    charge_point_id: str
    type: str
    happened_at: str
    """By the charge point's clock."""
    tech_info: str
    received_at: str


class CertificateRequest(NamedTuple):
    """A SignCertificate request, for staff to sign (security whitepaper, section 2.4)."""

    id: int
    """Grows with each that comes."""
    charge_point_id: str
    csr: str
    """PEM"""
    received_at: str


class NoticeStore:
    """Security events and certificate requests; what is repeated is kept once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_security_event(
        self, charge_point_id: str, kind: str, happened_at: datetime, tech_info: str, now: datetime
    ) -> None:
        """Keep a security event.

        Args:
            charge_point_id: where it happened.
            kind: one of the whitepaper's list, or the vendor's own.
            happened_at: by the charge point's clock.
            tech_info: more about it, or nothing.
            now: by ours.
        """
        row = (charge_point_id, kind, utc_text(happened_at), tech_info, utc_text(now))
        await self._insert("security_event", "charge_point_id, type, happened_at, tech_info, received_at", row)

    async def record_certificate_request(self, charge_point_id: str, csr: str, now: datetime) -> None:
        """Keep a certificate signing request."""
        row = (charge_point_id, csr, utc_text(now))
        await self._insert("certificate_request", "charge_point_id, csr, received_at", row)

    def security_events(self, charge_point_id: str, limit: int) -> list[SecurityEvent]:
        """The last security events of a charge point, the newest first."""
        rows = self._database.reader.execute(
            "SELECT id, charge_point_id, type, happened_at, tech_info, received_at FROM security_event "
            "WHERE charge_point_id = ? ORDER BY id DESC LIMIT ?",
            (charge_point_id, limit),
        )
        return [SecurityEvent(*row) for row in rows]

    def certificate_requests(self, charge_point_id: str) -> list[CertificateRequest]:
        """The certificates that a charge point has asked for, the newest first."""
        rows = self._database.reader.execute(
            "SELECT id, charge_point_id, csr, received_at FROM certificate_request "
            "WHERE charge_point_id = ? ORDER BY id DESC",
            (charge_point_id,),
        )
        return [CertificateRequest(*row) for row in rows]

    async def _insert(self, table: str, columns: str, row: tuple[str, ...]) -> None:
        places = ", ".join("?" * len(row))

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})", row)

        await self._database.write(job)
