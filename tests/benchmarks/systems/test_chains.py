from pathlib import Path

import pytest

from benchmarks.load.client import LoadGenerator
from benchmarks.systems.chains import ACCEPTED, DENIED, Chain, Kind
from benchmarks.systems.services import Services


@pytest.mark.parametrize(
    ("kind", "dialled"),
    # in the chain over HTTP the hub dials home; in the others home dials the hub
    [("bare", ["hub", "hub"]), ("http", ["home", "hub"])],
)
async def test_a_driver_is_decided_at_the_end_of_a_chain(
    tmp_path: Path, kind: Kind, dialled: list[str]
) -> None:
    seen: list[str] = []

    async def note(url: str) -> str:
        seen.append(url)
        return url

    async with Services(tmp_path) as services:
        chain = await Chain.start(services, kind, 3, via=note)
        assert list(chain.processes) == ["central", "hub", "home"]
        listening = {
            event["url"]: role for role, one in chain.processes.items() for event in one.events("listening")
        }
        assert [listening[url] for url in seen] == dialled
        assert listening[chain.url] == "central"
        load = await LoadGenerator.start(tmp_path / "samples")
        try:
            await load.connect(chain.url, 1, group="all")
            result = await load.closed("all", tags=ACCEPTED, denied_tags=DENIED, deny_share=0.5, calls=20)
        finally:
            await load.stop()
    assert (result.answers, result.unexpected) == (20, 0)
    assert result.accepted > 0
    assert result.denied > 0
