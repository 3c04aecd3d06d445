"""A home operator's central system that comes and goes, while its database stays."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from benchmarks.systems.cascade import Drivers
from benchmarks.systems.services import Service, Services
from scenarios.process import run


class HomeCentral:
    """Such a central system; made by `HomeCentral.prepare`."""

    def __init__(
        self, services: Services, operator_id: str, database: Path, environment: Mapping[str, str]
    ) -> None:
        self.database = database
        self._services = services
        self._operator_id = operator_id
        self._environment = environment
        self._starts = 0

    @classmethod
    async def prepare(
        cls, services: Services, operator_id: str, credential: str, *, hub_url: str, id_tags: Sequence[str]
    ) -> Self:
        """Register drivers in a new database.

        Args:
            services: keeps the processes; there is no other central system of this operator in its folder.
            operator_id: whose it is; entered at the hub.
            credential: the operator's.
            hub_url: the hub's.
            id_tags: of the drivers.

        Raises:
            ProcessFailedError: they cannot be registered.
        """
        database, tokens = (services.folder / f"{operator_id}.{kind}" for kind in ("sqlite", "csv"))
        Drivers(accepted=id_tags, blocked=(), unknown=()).write(tokens)
        arguments = ["tokens", "import", str(tokens), "--database", str(database)]
        await run("cpo-central tokens import", "cpo_central", arguments, {})
        environment = {
            "CPO_OPERATOR_ID": operator_id,
            "CPO_DATABASE": str(database),
            "CPO_PORT": "0",
            "CPO_HUB_URL": hub_url,
            "CPO_HUB_CREDENTIAL": credential,
            "CPO_MODES": "hub",
        }
        return cls(services, operator_id, database, environment)

    @asynccontextmanager
    async def linked(self) -> AsyncIterator[Service]:
        """Its process: entered when it is linked and the hub has its drivers' tokens; stopped at the end.

        In life it has a machine of its own; here it gets what nobody else wants of the processors (SCHED_IDLE).

        Raises:
            ProcessFailedError: it ended, or did not link in time.
        """
        self._starts += 1
        name = f"{self._operator_id}-{self._starts}"
        service = await self._services.start(name, "cpo_central", ["serve"], self._environment)
        os.sched_setscheduler(service.pid, os.SCHED_IDLE, os.sched_param(0))
        await service.event("published")
        yield service
        await self._services.stop(service)
