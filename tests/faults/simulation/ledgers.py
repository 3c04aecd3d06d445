"""The invariants of CDRs, read off the disks of all parties: money is nowhere lost, doubled or changed."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from sqlite3 import Connection
from typing import Any, NamedTuple

from tests.faults.simulation.ages import HUB

OWED = """
    SELECT cdr_id FROM transactions
    WHERE stopped_at IS NOT NULL AND decided_by IN ('hub', 'peer', 'whitelist')
    AND json_extract(id_tag_info, '$.status') = 'Accepted' AND NOT (concurrent AND meter_stop = meter_start)
"""
"""The roaming sessions that have ended, without those that were told ConcurrentTx and gave nothing."""

COUNTS = "SELECT (SELECT count(*) FROM cdr), (SELECT count(*) FROM outbox), (SELECT count(*) FROM received_cdr)"
HUB_COUNTS = "SELECT count(*), sum(state = 'Queued') FROM cdrs"

ENERGY = (
    "(json_extract(body, '$.meterStop') - json_extract(body, '$.meterStart'))"
    " * iif(credit_reference_id IS NULL, 1, -1)"
)
HOME = "substr(json_extract(body, '$.idTag'), 1, 1)"
ROW = f"cdr_id, digest, json_extract(body, '$.operatorId'), {HOME}, {ENERGY}"


class Row(NamedTuple):
    """A CDR in anybody's ledger; the first letter of an idTag is its home's operatorId."""

    cdr_id: str
    digest: str
    visited: str
    home: str
    energy_wh: int
    """Of a credit it is negative."""


class Ledgers:
    """What is on the disks, and what was once there and must stay.

    Args:
        hub: its database.
        centrals: theirs, by operatorId.
    """

    def __init__(self, hub: Connection, centrals: Mapping[str, Connection]) -> None:
        self._hub = hub
        self._centrals = centrals
        self._counts: dict[str, Any] = {}

    def broken_by(self, changes: Collection[str]) -> Iterator[str]:
        """What does not hold any more, if there are other CDRs, or some elsewhere, at one of these parties."""
        counts = self._counts | {name: self._count(name) for name in changes}
        is_moved, self._counts = counts != self._counts, counts
        return self.broken_now() if is_moved else iter(())

    def _count(self, name: str) -> Any:  # noqa: ANN401 - to be compared with the next
        return self._centrals.get(name, self._hub).execute(HUB_COUNTS if name == HUB else COUNTS).fetchone()

    def broken_now(self) -> Iterator[str]:
        """What must always hold, and does not: nothing acknowledged is missing."""
        custody = dict(self._hub.execute("SELECT cdr_id, digest FROM cdrs"))
        received = {
            name: dict(central.execute("SELECT cdr_id, digest FROM received_cdr"))
            for name, central in self._centrals.items()
        }
        for name, central in self._centrals.items():
            gone = central.execute(
                "SELECT cdr_id, digest, route, home_operator_id FROM cdr"
                " WHERE cdr_id NOT IN (SELECT cdr_id FROM outbox)"
            )
            for cdr_id, digest, route, home in gone:
                receiver = custody if route == "hub" else received[home]
                if receiver.get(cdr_id) != digest:
                    yield f"{cdr_id} left the outbox of {name}, and {home or 'the hub'} has it not"
        settled = self._hub.execute("SELECT cdr_id, digest, home FROM cdrs WHERE state != 'Queued'")
        for cdr_id, digest, home in settled:
            if received[home].get(cdr_id) != digest:
                yield f"{cdr_id} is delivered, says the hub, and {home} has it not"
        yield from _credited("the hub", self._hub, "cdrs")
        for name, central in self._centrals.items():
            yield from _credited(name, central, "cdr")
            yield from _credited(name, central, "received_cdr")

    def missing(self, but_for: str | None = None) -> Iterator[str]:
        """What must hold in the end, when all faults are healed: everybody has the same, once.

        Args:
            but_for: a charge point whose CDRs may still wait.
        """
        others = f"json_extract(body, '$.chargePointId') IS NOT '{but_for}'"
        for name, central in self._centrals.items():
            for (cdr_id,) in central.execute(f"{OWED} AND cdr_id NOT IN (SELECT cdr_id FROM cdr)"):
                yield f"the session of {cdr_id} at {name} has no CDR"
            waiting = f"SELECT cdr_id FROM cdr WHERE cdr_id IN (SELECT cdr_id FROM outbox) AND {others}"
            for (cdr_id,) in central.execute(waiting):
                yield f"{cdr_id} still waits at {name}"
        for cdr_id, state, told in self._hub.execute(
            f"SELECT cdr_id, state, told FROM cdrs WHERE (state = 'Queued' OR NOT told) AND {others}"
        ):
            yield f"{cdr_id} is {state} at the hub, visited told: {bool(told)}"
        received = self._all("received_cdr", others)
        yield from _unlike("what was sent", self._all("cdr", others), received)
        by_hub = self._all("received_cdr", f"sent_by IS NULL AND {others}")
        custody = _rows(self._hub, "cdrs", others)
        yield from _unlike("what went to the hub", self._all("cdr", f"route = 'hub' AND {others}"), custody)
        yield from _unlike("what went through the hub", custody, by_hub)
        for name, central in self._centrals.items():
            misled = [row.cdr_id for row in _rows(central, "received_cdr", others) if row.home != name]
            if misled:
                yield f"{misled} came to {name}, whose drivers they are not of"

    def at_home(self) -> int:
        """CDRs that have come home."""
        return len(self._all("received_cdr", "1"))

    def _all(self, table: str, where: str) -> list[Row]:
        return [row for central in self._centrals.values() for row in _rows(central, table, where)]


def _rows(database: Connection, table: str, where: str) -> list[Row]:
    return [Row._make(row) for row in database.execute(f"SELECT {ROW} FROM {table} WHERE {where}")]


def digest(rows: list[Row]) -> str:
    """The same for two ledgers that say the same."""
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()


def _unlike(what: str, rows: list[Row], others: list[Row]) -> Iterator[str]:
    """By their hashes, and by what each operator owes each other one."""
    if digest(rows) != digest(others):
        once, elsewhere = Counter(row.cdr_id for row in rows), Counter(row.cdr_id for row in others)
        yield f"{what} is not what is elsewhere: {dict(once - elsewhere)} more, {dict(elsewhere - once)} less"
    if _balances(rows) != _balances(others):
        yield f"{what} comes to {_balances(rows)}, and elsewhere to {_balances(others)}"


def _balances(rows: list[Row]) -> Counter[tuple[str, str]]:
    """Net energy in Wh, by visited and home operator."""
    balances: Counter[tuple[str, str]] = Counter()
    for row in rows:
        balances[row.visited, row.home] += row.energy_wh
    return balances


def _credited(where: str, database: Connection, table: str) -> Iterator[str]:
    """A credit stands behind what it cancels, and alone."""
    rows = database.execute(
        f"SELECT credit.cdr_id, original.cdr_id IS NULL FROM {table} AS credit"
        f" LEFT JOIN {table} AS original ON original.cdr_id = credit.credit_reference_id"
        " WHERE credit.credit_reference_id IS NOT NULL GROUP BY credit.credit_reference_id"
        " HAVING original.cdr_id IS NULL OR count(*) > 1"
    )
    for cdr_id, is_first in rows:
        yield f"{cdr_id} cancels what {'has not come to' if is_first else 'was cancelled before at'} {where}"
