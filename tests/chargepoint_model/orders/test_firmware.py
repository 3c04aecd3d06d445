from datetime import UTC, datetime, timedelta

import pytest

from cascade.frames import Payload
from cascade.roaming.model import utc_text
from chargepoint_model.behaviour import Driver, Event
from tests.chargepoint_model.conftest import Central, ChargerOf
from tests.chargepoint_model.test_certificates import EC_ROOT, pem

NOW = "2026-01-01T00:00:00Z"


def signed_update(number: int, **firmware: str) -> Payload:
    image = {
        "location": "https://example.org/image",
        "retrieveDateTime": NOW,
        "signingCertificate": pem(EC_ROOT),
        "signature": "c2lnbmF0dXJl",
    }
    return {"requestId": number, "firmware": {**image, **firmware}}


async def heard(central: Central, action: str, count: int) -> list[str]:
    await central.hears(action, count)
    return [one["status"] for one in central.heard(action)]


async def test_an_update_ends_with_a_reboot(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    order = {"location": "ftp://example.org/image", "retrieveDate": NOW}
    assert await central.ask("UpdateFirmware", order) == {}
    statuses = await heard(central, "FirmwareStatusNotification", 4)
    assert statuses == ["Downloading", "Downloaded", "Installing", "Installed"]
    assert len(central.heard("BootNotification")) == 2
    await central.hears("SecurityEventNotification", type="FirmwareUpdated")
    await central.ask("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
    assert (await heard(central, "FirmwareStatusNotification", 5))[-1] == "Idle"


async def test_an_update_waits_for_transactions(central: Central, charger_of: ChargerOf) -> None:
    charger = await charger_of()
    connector = charger.station.connectors[1]
    connector.happen(Event.PLUGGED_IN)
    connector.happen(Event.TAG_ACCEPTED, Driver("T-1"))
    await central.ask("UpdateFirmware", {"location": "ftp://example.org/image", "retrieveDate": NOW})
    assert await heard(central, "FirmwareStatusNotification", 2) == ["Downloading", "Downloaded"]
    await central.ask("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
    assert (await heard(central, "FirmwareStatusNotification", 3))[-1] == "Downloaded"
    connector.happen(Event.UNPLUGGED)
    assert (await heard(central, "FirmwareStatusNotification", 5))[-1] == "Installed"
    assert (await central.hears("StopTransaction"))["reason"] == "EVDisconnected"


async def test_an_update_waits_for_its_time(central: Central, charger_of: ChargerOf) -> None:
    await charger_of(time_scale=100_000)
    later = utc_text(datetime.now(UTC) + timedelta(hours=5))
    await central.ask("SignedUpdateFirmware", signed_update(3, retrieveDateTime=later))
    assert await heard(central, "SignedFirmwareStatusNotification", 7) == [
        *("DownloadScheduled", "Downloading", "Downloaded", "SignatureVerified"),
        *("Installing", "InstallRebooting", "Installed"),
    ]
    assert {one["requestId"] for one in central.heard("SignedFirmwareStatusNotification")} == {3}


async def test_another_signed_update_takes_the_place_of_the_first(
    central: Central, charger_of: ChargerOf
) -> None:
    await charger_of()
    later = utc_text(datetime.now(UTC) + timedelta(days=5))
    first = await central.ask("SignedUpdateFirmware", signed_update(1, retrieveDateTime=later))
    second = await central.ask("SignedUpdateFirmware", signed_update(2))
    assert (first, second) == ({"status": "Accepted"}, {"status": "AcceptedCanceled"})
    await central.hears("SignedFirmwareStatusNotification", status="Installed", requestId=2)


async def test_a_certificate_that_is_none(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    order = signed_update(1, signingCertificate="none")
    assert await central.ask("SignedUpdateFirmware", order) == {"status": "InvalidCertificate"}
    await central.hears("SecurityEventNotification", type="InvalidFirmwareSigningCertificate")


async def test_what_nobody_reaches_is_not_downloaded(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    await central.ask("UpdateFirmware", {"location": "gopher://example.org/x", "retrieveDate": NOW})
    assert await heard(central, "FirmwareStatusNotification", 2) == ["Downloading", "DownloadFailed"]


@pytest.mark.parametrize(
    ("location", "end"), [("ftp://example.org/", "Uploaded"), ("gopher://example.org/", "UploadFailed")]
)
async def test_diagnostics_are_uploaded(
    central: Central, charger_of: ChargerOf, location: str, end: str
) -> None:
    await charger_of(identity="CP/" + "1" * 200)
    answer = await central.ask("GetDiagnostics", {"location": location})
    assert answer["fileName"].endswith(".log")
    assert await heard(central, "DiagnosticsStatusNotification", 2) == ["Uploading", end]


async def test_a_log_is_uploaded(central: Central, charger_of: ChargerOf) -> None:
    await charger_of()
    order = {"logType": "SecurityLog", "requestId": 4, "log": {"remoteLocation": "https://example.org/"}}
    answer = await central.ask("GetLog", order)
    assert answer["status"] == "Accepted"
    assert "SecurityLog" in answer["filename"]
    assert await heard(central, "LogStatusNotification", 2) == ["Uploading", "Uploaded"]
    assert {one["requestId"] for one in central.heard("LogStatusNotification")} == {4}
    nowhere = {**order, "log": {"remoteLocation": "nowhere"}}
    assert await central.ask("GetLog", nowhere) == {"status": "Rejected"}
