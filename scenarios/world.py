"""The world of a scenario: the hub, the central systems and the charge points as real processes.

All on the loopback interface, on ports that the system chose, with databases in a folder of the world's own.
Whatever happens, leaving the world stops every process and removes the folder.
"""

import asyncio
import csv
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

from scenarios.model import HUB, Block, Central, Start, Step, Stop
from scenarios.process import Event, Watched, run

RELINK_BASE_S = "0.05"
"""Centrals come back quickly, so that a hub that was stopped for a variant costs little time."""


class World:
    """Processes and where they live; an asynchronous context."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cascade-world-")
        self._path = Path(self._folder.name)
        self._running: dict[str, Watched] = {}
        self._retired: list[Watched] = []
        self._centrals: dict[str, Central] = {}
        self._environments: dict[str, dict[str, str]] = {}
        self._hub_port = "0"
        self._peer_ports: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(process.stop() for process in self._running.values()))
        self._folder.cleanup()

    # --- actors ---------------------------------------------------------------------------------------------

    async def build(self, centrals: tuple[Central, ...]) -> None:
        """Start the hub, enter the operators, start their central systems, the home operators' first."""
        self._centrals = {central.operator_id: central for central in centrals}
        await self._start_hub()
        await asyncio.gather(*(self._found(central) for central in centrals))
        homes = [central for central in centrals if central.tokens or central.peers]
        await asyncio.gather(*(self._start_central(central) for central in homes))
        await asyncio.gather(*(self._start_central(central) for central in centrals if central not in homes))

    def __getitem__(self, who: str) -> Watched:
        return self._running[who]

    def events(self, who: str) -> list[Event]:
        """Every event of an actor, over all of its processes."""
        earlier = [event for process in self._retired if process.name == who for event in process.events]
        running = self._running.get(who)
        return earlier + (running.events if running else [])

    def marks(self) -> dict[str, int]:
        """How many events each running process has logged until now."""
        return {who: process.mark for who, process in self._running.items()}

    def events_since(self, marks: dict[str, int]) -> list[Event]:
        """What the running processes have logged since, one process after the other."""
        return [event for who, process in self._running.items() for event in process.events[marks[who] :]]

    async def _start_hub(self) -> None:
        environment = {"NAP_DATABASE": str(self._path / "hub.sqlite"), "NAP_PORT": self._hub_port}
        self._environments[HUB] = environment
        self._running[HUB] = await Watched.start(HUB, "nap", ["serve"], environment)
        listening = await self._running[HUB].event("listening")
        self._hub_port = str(urlsplit(listening["url"]).port)

    async def _found(self, central: Central) -> None:
        """Enter the operator at the hub, and its tokens at home."""
        who = central.operator_id
        environment = {
            "CPO_OPERATOR_ID": who,
            "CPO_DATABASE": str(self._path / f"{who}.sqlite"),
            "CPO_PORT": "0",
            "CPO_RELINK_BASE_S": RELINK_BASE_S,
            "CPO_MODES": ",".join(central.modes),
            "CPO_ID_TAG_PREFIXES": ",".join(central.id_tag_prefixes),
        }
        if central.peers:
            environment["CPO_PEER_PORT"] = "0"
        if not central.keeps_peer_links:
            environment["CPO_PEER_IDLE_S"] = "0"
        self._environments[who] = environment
        if central.linked:
            arguments = ["operator", "add", who, "--json"]
            arguments += ["--consents", ",".join(central.consents), "--wants", ",".join(central.wants)]
            added = orjson.loads(await run("nap operator add", "nap", arguments, self._environments[HUB]))
            environment["CPO_HUB_URL"] = f"ws://127.0.0.1:{self._hub_port}/ocpp"
            environment["CPO_HUB_CREDENTIAL"] = added["credential"]
        if central.tokens:
            file = self._path / f"{who}.csv"
            with file.open("w", newline="") as out:
                writer = csv.writer(out)
                writer.writerow(["idTag", "status", "expiryDate", "parentIdTag"])
                writer.writerows(
                    [token.id_tag, token.status, token.expiry_date, ""] for token in central.tokens
                )
            await self.central_command(who, "tokens", "import", str(file))

    async def _start_central(self, central: Central) -> None:
        who = central.operator_id
        environment = self._environments[who] | (
            {"CPO_PEER_PORT": self._peer_ports[who]} if who in self._peer_ports else {}
        )
        process = await Watched.start(who, "cpo_central", ["serve"], environment)
        self._running[who] = process
        listening = await process.event("listening")
        if central.peers:
            self._peer_ports[who] = str(urlsplit(listening["peer_url"]).port)
        if central.linked:
            await self._until_ready(central, since=0)

    async def _until_ready(self, central: Central, *, since: int) -> None:
        """Wait until a central system is linked, has published, and holds its replica."""
        process = self._running[central.operator_id]
        await process.event("hub_linked", since=since)
        await process.event("published", since=since)
        if "whitelist" in central.modes:
            await process.event("whitelist", since=since)

    async def central_command(self, who: str, *arguments: str) -> bytes:
        """Run a command of an operator's central system; returns what it printed."""
        return await run(f"cpo-central of {who}", "cpo_central", arguments, self._environments[who])

    # --- steps ----------------------------------------------------------------------------------------------

    async def take(self, step: Step) -> None:
        """Do what a variant asks for before its driver comes."""
        match step:
            case Stop(who):
                await self._stop(who)
            case Start(who):
                await self._start(who)
            case Block(operator_id, id_tag, seen_by):
                await self._block(operator_id, id_tag, seen_by)

    async def _stop(self, who: str) -> None:
        process = self._running.pop(who)
        self._retired.append(process)
        await process.stop()

    async def _start(self, who: str) -> None:
        if who != HUB:
            await self._start_central(self._centrals[who])
            return
        marks = self.marks()
        await self._start_hub()
        linked = [c for name in marks if (c := self._centrals.get(name)) is not None and c.linked]
        # the marks were taken with the hub down: what comes after belongs to the new link
        await asyncio.gather(*(self._until_ready(c, since=marks[c.operator_id]) for c in linked))

    async def _block(self, operator_id: str, id_tag: str, seen_by: str | None) -> None:
        watched = self._running[seen_by] if seen_by else None
        mark = watched.mark if watched else 0
        await self.central_command(operator_id, "tokens", "block", id_tag)
        if watched is not None:
            await watched.event("tokens_published" if seen_by == HUB else "whitelist", since=mark)

    # --- drivers --------------------------------------------------------------------------------------------

    async def present(self, visited: str, id_tag: str, *, authorizations: int, session: bool) -> dict[str, Any]:
        """A driver presents a token at the charge point of the visited operator; returns what it reports.

        Args:
            visited: the operator; its charge point is started with its first driver.
            id_tag: the token.
            authorizations: how often it is presented, one after the other.
            session: whether an accepted driver then charges.

        Raises:
            ProcessFailedError: the charge point has ended.
        """
        name = charge_point_of(visited)
        if name not in self._running:
            url = (await self._running[visited].event("listening"))["url"]
            arguments = [
                "drivers",
                "--url",
                url,
                "--id",
                name,
                "--central-name",
                visited,
                "--log-level",
                "info",
            ]
            self._running[name] = await Watched.start(name, "chargepoint_model", arguments, {}, talks=True)
        driver = {"idTag": id_tag, "authorizations": authorizations, "session": session}
        report: dict[str, Any] = orjson.loads(await self._running[name].ask(orjson.dumps(driver)))
        return report

    async def trace(self, *, on: bool) -> None:
        """Switch the tracing of every process on, or off, and wait until it is."""
        switched = [(process, process.mark) for process in self._running.values()]
        for process, _ in switched:
            process.signal(signal.SIGUSR1)
        await asyncio.gather(
            *(process.event("trace", lambda event: event["on"] is on, since=mark) for process, mark in switched)
        )


def charge_point_of(operator_id: str) -> str:
    """The id of an operator's charge point."""
    return f"CP-{operator_id}"
