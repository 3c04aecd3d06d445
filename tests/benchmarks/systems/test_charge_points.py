from pathlib import Path

from benchmarks.systems.charge_points import LinkedChargePoint
from benchmarks.systems.services import Services


async def test_a_charge_point_links_and_leaves(tmp_path: Path) -> None:
    settings = {"CPO_OPERATOR_ID": "C1", "CPO_DATABASE": str(tmp_path / "c.sqlite"), "CPO_PORT": "0"}
    async with Services(tmp_path) as services:
        central = await services.start("central", "cpo_central", ["serve"], settings)
        url = (await central.event("listening"))["url"]
        async with LinkedChargePoint(url, "CP 7") as charge_point:
            answer = await charge_point.link.call("Authorize", {"idTag": "NOBODY"})
        assert answer["idTagInfo"]["status"] == "Invalid"
        assert (await central.event("charger_linked"))["charge_point"] == "CP 7"
        await central.event("charger_unlinked")
