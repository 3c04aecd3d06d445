"""Running scenarios: their steps in a world of real processes, and what came of each variant."""

from collections.abc import Callable
from typing import Any

import orjson

from scenarios.frames import sequence
from scenarios.model import HUB, DecidedBy, Route, Scenario, Variant
from scenarios.outcome import CdrOutcome, Outcome, cdr_matches
from scenarios.process import Event
from scenarios.world import World, charge_point_of

WARM_UP = 1
"""Authorizations before those that count, so that none pays for what happens once."""


async def run_scenario(scenario: Scenario, attempts: int, on_outcome: Callable[[Outcome], None]) -> None:
    """Run every variant of a scenario in one world, in their order.

    Raises:
        ProcessFailedError: a process failed.
    """
    async with World() as world:
        await world.build(scenario.centrals)
        for variant in scenario.variants:
            for step in variant.before:
                await world.take(step)
            on_outcome(await _run_variant(world, scenario, variant, attempts))


async def _run_variant(world: World, scenario: Scenario, variant: Variant, attempts: int) -> Outcome:
    """First the authorizations that are timed, then one that is traced, and the session if there is one."""
    visited, has_session = variant.visited, variant.cdr is not Route.NONE
    mark = world[visited].mark
    timed = await world.present(visited, variant.id_tag, authorizations=WARM_UP + attempts, session=False)
    await world.trace(on=True)
    marks = world.marks()
    traced = await world.present(visited, variant.id_tag, authorizations=1, session=has_session)
    cdr = CdrOutcome()
    if traced["session"] is not None:
        cdr = await _follow_cdr(world, scenario, visited, traced["session"], since=marks[visited])
    await world.trace(on=False)
    attempted = timed["authorizations"][WARM_UP:]
    return Outcome(
        scenario=scenario,
        variant=variant,
        decisions=tuple(attempt["status"] for attempt in attempted),
        milliseconds=tuple(attempt["ms"] for attempt in attempted),
        decided_by=frozenset(
            _decided_by(world, event)
            for event in world[visited].events[mark:]
            if event["event"] == "authorization"
        ),
        cdr=cdr,
        silent=_is_silent(world, scenario, variant),
        frames=tuple(sequence(world.events_since(marks))),
    )


def _decided_by(world: World, event: Event) -> DecidedBy:
    """Who decided: the visited operator knows that it asked the hub, the hub knows whether it asked home."""
    if event["decided_by"] != "hub":
        return DecidedBy(event["decided_by"])
    answered = [
        answer
        for answer in world.events(HUB)
        if answer["event"] == "authorization" and answer["message_id"] == event["reference"]
    ]
    return DecidedBy(answered[-1]["decided_by"])


def _is_silent(world: World, scenario: Scenario, variant: Variant) -> bool:
    """An operator that is not linked must not have been heard of at the hub."""
    central = next(c for c in scenario.centrals if c.operator_id == variant.visited)
    return central.linked or not any(variant.visited in event.values() for event in world.events(HUB))


async def _follow_cdr(
    world: World, scenario: Scenario, visited: str, session: dict[str, Any], *, since: int
) -> CdrOutcome:
    """Wait until the CDR of a session has come home, and compare it with the session."""
    queued = await world[visited].event("cdr", lambda event: event["stage"] == "queued", since=since)
    cdr_id = queued["cdr_id"]

    def is_ours(stage: str) -> Callable[[Event], bool]:
        return lambda event: event["cdr_id"] == cdr_id and event["stage"] == stage

    delivered = await world[visited].event("cdr", is_ours("delivered"), since=since)
    await world[scenario.home].event("cdr", is_ours("received"))
    listed = orjson.loads(await world.central_command(scenario.home, "cdrs", "list", "--received", "--json"))
    received = [row["cdr"] for row in listed if row["cdr"]["cdrId"] == cdr_id]
    return CdrOutcome(
        sent=True,
        delivered=len(received) == 1,
        route=Route(delivered["route"]),
        matches_session=len(received) == 1
        and cdr_matches(received[0], session, visited=visited, charge_point=charge_point_of(visited)),
    )
