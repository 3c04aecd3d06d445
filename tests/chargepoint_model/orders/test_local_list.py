from tests.chargepoint_model.conftest import Central, ChargerOf

ENTRY = {"idTag": "T-1", "idTagInfo": {"status": "Accepted"}}


async def test_a_list_has_the_version_that_it_was_sent_with(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    assert await central.ask("GetLocalListVersion") == {"listVersion": 0}
    order = {"listVersion": 5, "updateType": "Full", "localAuthorizationList": [ENTRY]}
    assert await central.ask("SendLocalList", order) == {"status": "Accepted"}
    assert await central.ask("GetLocalListVersion") == {"listVersion": 5}
    old = {"listVersion": 5, "updateType": "Differential"}
    assert await central.ask("SendLocalList", old) == {"status": "VersionMismatch"}
    assert await central.ask("GetLocalListVersion") == {"listVersion": 5}


async def test_without_a_list_there_is_no_version(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    await central.ask("ChangeConfiguration", {"key": "LocalAuthListEnabled", "value": "false"})
    assert await central.ask("GetLocalListVersion") == {"listVersion": -1}
    order = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [ENTRY]}
    assert await central.ask("SendLocalList", order) == {"status": "NotSupported"}
    assert charger.station.known("T-1") is None
