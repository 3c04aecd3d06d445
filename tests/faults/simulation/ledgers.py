"""The invariants, read off the disks of all parties: what is money is nowhere lost, doubled or changed."""

from collections.abc import Iterator, Mapping
from sqlite3 import Connection

OWED = """
    SELECT cdr_id, id_tag FROM transactions
    WHERE stopped_at IS NOT NULL AND decided_by IN ('hub', 'peer', 'whitelist')
    AND json_extract(id_tag_info, '$.status') = 'Accepted'
"""
"""The roaming sessions that have ended."""


class Ledgers:
    """What is on the disks, and what was once there and must stay.

    Args:
        hub: its database.
        centrals: theirs, by operatorId.
    """

    def __init__(self, hub: Connection, centrals: Mapping[str, Connection]) -> None:
        self._hub = hub
        self._centrals = centrals

    def broken_now(self) -> Iterator[str]:
        """What must hold after every step, and does not: nothing acknowledged is missing."""
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

    def missing(self) -> Iterator[str]:
        """What must hold in the end, when all faults are healed: each session's CDR is at home, once."""
        homes: dict[str, list[str]] = {}
        for name, central in self._centrals.items():
            for (cdr_id,) in central.execute("SELECT cdr_id FROM received_cdr"):
                homes.setdefault(cdr_id, []).append(name)
        owed = 0
        for name, central in self._centrals.items():
            for cdr_id, id_tag in central.execute(OWED):
                owed += 1
                if homes.get(cdr_id) != [id_tag[0]]:
                    yield f"{cdr_id} of {name} should be at {id_tag[0]}, and is at {homes.get(cdr_id, [])}"
            for (cdr_id,) in central.execute("SELECT cdr_id FROM outbox"):
                yield f"{cdr_id} still waits at {name}"
        for cdr_id, state, told in self._hub.execute(
            "SELECT cdr_id, state, told FROM cdrs WHERE state = 'Queued' OR NOT told"
        ):
            yield f"{cdr_id} is {state} at the hub, visited told: {bool(told)}"
        if len(homes) > owed:
            yield f"{len(homes)} CDRs came home for {owed} sessions"

    def at_home(self) -> int:
        """CDRs that have come home."""
        counts = (
            central.execute("SELECT count(*) FROM received_cdr").fetchone()[0]
            for central in self._centrals.values()
        )
        return sum(counts)
