"""The hub alone as a system under test, and how operators are entered at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson

from benchmarks.systems.services import Service, Services
from nap.app import open_store, utc_now
from nap.operators import new_credential
from nap.records import Mode, Operator
from nap.settings import HubSettings
from scenarios.process import ProcessFailedError, run


@dataclass(frozen=True, slots=True)
class HubProcess:
    """A running `nap serve`; made by `HubProcess.start`, ended by leaving its `Services`."""

    service: Service
    url: str
    """Where operators link; their id is appended to it."""
    database: Path

    @classmethod
    async def start(
        cls, services: Services, name: str = "hub", environment: Mapping[str, str] | None = None
    ) -> Self:
        """Start a hub on its database, a new one if there is none, and wait until it listens.

        Args:
            services: keeps the process.
            name: of the process and its database, unique in the folder.
            environment: further settings, NAP_…

        Raises:
            ProcessFailedError: it ended, or did not listen in time.
        """
        database = services.folder / f"{name}.sqlite"
        settings = {"NAP_DATABASE": str(database), "NAP_PORT": "0", **(environment or {})}
        service = await services.start(name, "nap", ["serve"], settings)
        listening = await service.event("listening")
        return cls(service, listening["url"], database)

    async def enter(self, operator_ids: Sequence[str], wants: str) -> dict[str, str]:
        """Enter operators as the hub's own staff would, all with one agreement.

        Args:
            operator_ids: of the operators; each costs the time of one argon2, tens of milliseconds.
            wants: the modes of their agreement as visited; as home they consent to all.

        Returns:
            The credential of each.

        Raises:
            ProcessFailedError: an id is taken or malformed.
        """
        arguments = ["operator", "add", *operator_ids, "--wants", wants, "--json"]
        printed = orjson.loads(
            await run("nap operator add", "nap", arguments, {"NAP_DATABASE": str(self.database)})
        )
        rows = printed if isinstance(printed, list) else [printed]
        return {row["operatorId"]: row["credential"] for row in rows}

    async def enter_many(self, operator_ids: Sequence[str], wants: Sequence[Mode]) -> dict[str, str]:
        """Enter operators with credentials that are hashed in no time, through the hub's store.

        With argon2 as the hub's staff would use it a thousand operators take half a minute to enter, and as
        long to come in for the first time. What a link does once it is up does not depend on it.

        Args:
            operator_ids: of the operators.
            wants: the modes of their agreement as visited; as home they consent to all.

        Returns:
            The credential of each.

        Raises:
            ProcessFailedError: an id is taken.
        """
        credentials = {operator_id: new_credential() for operator_id in operator_ids}
        entered = [
            (Operator(operator_id, operator_id, frozenset(Mode), tuple(wants)), secret_hash)
            for operator_id, (_, secret_hash) in credentials.items()
        ]
        store = await open_store(HubSettings(database=self.database))
        try:
            taken = await store.operators.add(*entered, now=utc_now())
        finally:
            await store.close()
        if taken:
            raise ProcessFailedError(f"the operators {', '.join(taken)} are entered already")
        return {operator_id: secret for operator_id, (secret, _) in credentials.items()}
