import asyncio
from pathlib import Path

import pytest

from benchmarks.experiments.token_updates import TOKENS, TokenUpdates
from benchmarks.systems.hub import HubProcess
from benchmarks.systems.operators import OperatorFleet, id_tag_of, tokens_of
from benchmarks.systems.services import Services
from cascade.errors import RoamingRefused
from cascade.roaming.tokens import Token
from nap.records import Mode


async def test_operators_publish_as_long_as_they_are_told_to(tmp_path: Path) -> None:
    async with Services(tmp_path) as services:
        hub = await HubProcess.start(services)
        credentials = await hub.enter_many(["O0", "O1"], (Mode.HUB,))
        async with OperatorFleet(hub.url, credentials) as fleet:
            for operator in fleet:
                await operator.publish(tokens_of(f"{operator.operator_id}-", TOKENS))
            updates = TokenUpdates(fleet, seed=1)
            async with updates.published(0.0):
                await fleet["O0"].heartbeat()
            assert updates.count == 0
            async with asyncio.timeout(20), updates.published(1_000.0):
                while updates.count < 5:
                    await fleet["O0"].heartbeat()
            count = updates.count
            await fleet["O0"].heartbeat()
            assert updates.count == count
            for operator in fleet:  # nobody was cut off in the middle: the next change names its version
                await operator.change(Token(id_tag=id_tag_of(f"{operator.operator_id}-", 0)))


async def test_a_refused_change_is_not_hidden(tmp_path: Path) -> None:
    async with Services(tmp_path) as services:
        hub = await HubProcess.start(services)
        async with OperatorFleet(hub.url, await hub.enter_many(["O0"], (Mode.HUB,))) as fleet:
            await fleet["O0"].publish(tokens_of("O0-", TOKENS))
            fleet["O0"]._published -= 1
            with pytest.RaisesGroup(RoamingRefused):
                async with asyncio.timeout(20), TokenUpdates(fleet, seed=1).published(1_000.0):
                    await asyncio.Event().wait()
