"""What a whitelist of some size costs: to publish, to transfer, to keep, to look up, to change."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import LinkedOperator, OperatorFleet, Pulled, id_tag_of, tokens_of
from benchmarks.systems.services import Services
from cascade.roaming.tokens import Token, TokenStatus
from nap.app import open_store
from nap.records import Mode
from nap.settings import HubSettings
from nap.store.port import Store

HOME, VISITED = "C1", "V0"
HELD, UNHELD = "T", "U"
DELTA = 100
"""Tokens that have changed in a delta."""

TRANSFER_TIMEOUT_S = 600.0


@dataclass(slots=True)
class ListCost:
    """What was measured with one size of list; each list holds one figure a repetition."""

    tokens: int
    publish_s: float = 0.0
    publish_bytes: int = 0
    publish_cpu_s: float = 0.0
    """Of the hub."""
    rss_bytes_a_token: float = 0.0
    """By how much the hub's memory has grown, for each token."""
    database_bytes_a_token: float = 0.0
    """The hub's database with its log, for each token."""
    pull_s: list[float] = field(default_factory=list)
    """All pages, to a client that reads them and keeps nothing."""
    pull_bytes: int = 0
    pull_cpu_s: list[float] = field(default_factory=list)
    """Of the hub."""
    transfer_s: list[float] = field(default_factory=list)
    """All pages, to a central system that writes each to its database."""
    delta_ms: list[float] = field(default_factory=list)
    delta_bytes: int = 0
    held_us: list[list[float]] = field(default_factory=list)
    """Look-ups of tokens that the hub holds; each repetition's are sorted."""
    unheld_us: list[list[float]] = field(default_factory=list)
    """The same, of tokens that it does not hold."""
    clock_us: list[list[float]] = field(default_factory=list)
    """What the clock itself takes, and stands in each of these."""


async def measure_list(
    services: Services,
    tokens: int,
    *,
    repetitions: int,
    lookups: int,
    rng: random.Random,
    step: Callable[[str], None],
) -> ListCost:
    """Publish a list of this size and measure all that is done with it.

    Args:
        services: keeps the processes.
        tokens: accepted ones, of one home operator.
        repetitions: of pulls, transfers, deltas and series of look-ups.
        lookups: timed look-ups in a series, of held and of unheld tokens each.
        rng: chooses the tokens that are looked up.
        step: told what is being done.
    """
    hub = await HubProcess.start(services, f"hub-{tokens}")
    centrals = [f"V{number}" for number in range(1, repetitions + 1)]
    credentials = await hub.enter_many([HOME, VISITED, *centrals], tuple(Mode))
    cost = ListCost(tokens)
    async with OperatorFleet(hub.url, {who: credentials[who] for who in (HOME, VISITED)}) as fleet:
        step(f"{tokens:,} tokens: publish")
        await _publish(hub, fleet[HOME], cost)
        for number in range(repetitions):
            step(f"{tokens:,} tokens: pull {number + 1}")
            pulled = await _pull(hub, fleet[VISITED], cost)
            await _delta(fleet, pulled, number, cost)
    for who in centrals:
        step(f"{tokens:,} tokens: transfer to {who}")
        cost.transfer_s.append(await _transfer(services, hub, f"{who}-of-{tokens}", who, credentials[who]))
    step(f"{tokens:,} tokens: look-ups")
    await _look_up(hub, cost, repetitions, lookups, rng)
    await services.stop(hub.service)
    return cost


async def _publish(hub: HubProcess, home: LinkedOperator, cost: ListCost) -> None:
    await home.publish([])  # what is needed once for any list is not a cost of a token
    rss, cpu_s, began = hub.service.rss_bytes(), hub.service.cpu_s(), time.perf_counter()
    cost.publish_bytes = await home.publish(tokens_of(HELD, cost.tokens))
    cost.publish_s = time.perf_counter() - began
    cost.publish_cpu_s = hub.service.cpu_s() - cpu_s
    cost.rss_bytes_a_token = (hub.service.rss_bytes() - rss) / cost.tokens
    log = hub.database.with_name(f"{hub.database.name}-wal")
    cost.database_bytes_a_token = (hub.database.stat().st_size + log.stat().st_size) / cost.tokens


async def _pull(hub: HubProcess, visited: LinkedOperator, cost: ListCost) -> Pulled:
    cpu_s, began = hub.service.cpu_s(), time.perf_counter()
    pulled = await visited.pull()
    cost.pull_s.append(time.perf_counter() - began)
    cost.pull_cpu_s.append(hub.service.cpu_s() - cpu_s)
    cost.pull_bytes = pulled.size
    return pulled


async def _delta(fleet: OperatorFleet, before: Pulled, number: int, cost: ListCost) -> None:
    """Change some tokens, and pull no more than that."""
    status = TokenStatus.ACCEPTED if number % 2 else TokenStatus.BLOCKED
    changed = (Token(id_tag=id_tag_of(HELD, one), status=status) for one in range(min(DELTA, cost.tokens)))
    await fleet[HOME].change(*changed)
    began = time.perf_counter()
    pulled = await fleet[VISITED].pull(before.epoch, before.version)
    cost.delta_ms.append(1000 * (time.perf_counter() - began))
    cost.delta_bytes = pulled.size


async def _transfer(services: Services, hub: HubProcess, name: str, who: str, credential: str) -> float:
    """Seconds from a central system's link to the moment when it has the whole list on its disk."""
    settings = {
        "CPO_OPERATOR_ID": who,
        "CPO_DATABASE": str(services.folder / f"{name}.sqlite"),
        "CPO_PORT": "0",
        "CPO_HUB_URL": hub.url,
        "CPO_HUB_CREDENTIAL": credential,
        "CPO_MODES": "whitelist",
    }
    central = await services.start(name, "cpo_central", ["serve"], settings)
    linked = await central.event("hub_linked")
    whole = await central.event("whitelist", timeout_s=TRANSFER_TIMEOUT_S)
    await services.stop(central)
    begun, done = (datetime.fromisoformat(event["timestamp"]) for event in (linked, whole))
    return (done - begun).total_seconds()


async def _look_up(hub: HubProcess, cost: ListCost, repetitions: int, lookups: int, rng: random.Random) -> None:
    """Time the hub's own look-up in the hub's own file."""
    clock = time.perf_counter_ns
    store = await open_store(HubSettings(database=hub.database))
    try:
        for _ in range(repetitions):
            numbers = [rng.randrange(cost.tokens) for _ in range(lookups)]
            cost.held_us.append(_timed(store, [id_tag_of(HELD, number) for number in numbers]))
            cost.unheld_us.append(_timed(store, [id_tag_of(UNHELD, number) for number in numbers]))
            cost.clock_us.append(sorted((-clock() + clock()) / 1000 for _ in range(lookups)))
    finally:
        await store.close()


def _timed(store: Store, id_tags: Sequence[str]) -> list[float]:
    """Microseconds of each look-up, sorted."""
    find, clock = store.tokens.find, time.perf_counter_ns
    spent = []
    for id_tag in id_tags:
        began = clock()
        find(id_tag)
        spent.append((clock() - began) / 1000)
    return sorted(spent)
