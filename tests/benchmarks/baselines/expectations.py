"""What holds for every kind."""

from pathlib import Path

from benchmarks.load.client import Background, LoadGenerator
from tests.benchmarks.baselines.chains import Kind, chain, processes, url


async def answers_through_every_chain(kind: Kind, folder: Path) -> None:
    """Chains of one, two and three hops answer what they should, and background traffic too."""
    generator = await LoadGenerator.start(folder)
    try:
        for hops in (1, 2, 3):
            async with processes(kind) as start:
                group = f"{hops} hops"
                await generator.connect(await chain(kind, hops, start), 9, group=group)
                result = await generator.closed(
                    group, tags=["ANNA"], callers=8, calls=80, warm_up=8, deny_share=0.5, denied_tags=["DENY-1"]
                )
                assert result.accepted + result.denied == 80
                assert result.accepted > 0 < result.denied
                assert (result.errors, result.lost, result.unexpected) == (0, 0, 0)
                busy = Background("high", 1, 36_000.0)
                mixed = await generator.open(
                    group, tags=["ANNA"], rate=100.0, seconds=0.1, warm_up_s=0.05, background=busy
                )
                assert mixed.background.answers > 0
                assert (mixed.background.errors, mixed.background.lost, mixed.errors, mixed.lost) == (
                    0,
                    0,
                    0,
                    0,
                )
                await generator.close(group)
    finally:
        await generator.stop()


async def central_asks_home_directly(kind: Kind, folder: Path) -> None:
    """The chain of scenario 3: the central system dials the home operator's."""
    generator = await LoadGenerator.start(folder)
    try:
        async with processes(kind) as start:
            home = await url(await start("home"))
            await generator.connect(await url(await start("central", "--upstream", home)), 8, group="g")
            result = await generator.closed(
                "g", tags=["ANNA"], callers=8, calls=40, deny_share=0.5, denied_tags=["DENY-1"]
            )
            assert (result.answers, result.errors, result.lost, result.unexpected) == (40, 0, 0, 0)
            await generator.close("g")
    finally:
        await generator.stop()
