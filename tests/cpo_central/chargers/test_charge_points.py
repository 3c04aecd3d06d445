import gc
from datetime import UTC, datetime

from cascade.database import Database
from cpo_central.chargers.acceptance import Registration
from cpo_central.chargers.charge_points import ChargePointStore, Connector, LocalList, Progress

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


async def test_what_a_charge_point_has_said(database: Database) -> None:
    store = ChargePointStore(database)
    assert store.get("CP-1") is None
    assert await store.record_boot("CP-1", BOOT, NOW) is Registration.ACCEPTED
    await store.record_progress("CP-1", Progress.FIRMWARE, {"status": "Downloading"}, NOW)
    await store.record_progress("CP-1", Progress.FIRMWARE, {"status": "Installed", "requestId": 3}, NOW)
    await store.record_progress("CP-1", Progress.LOG, {"status": "Uploaded"}, NOW)
    await store.record_seen("CP-1", NOW.replace(year=2027))
    await store.record_status("CP-1", {**STATUS, "status": "Faulted"}, NOW)
    await store.record_status("CP-1", STATUS, NOW)
    await store.record_status("CP-2", STATUS, NOW)
    at = "2026-01-01T00:00:00Z"
    found = store.get("CP-1")
    assert found is not None
    assert found._asdict() == {
        "charge_point_id": "CP-1",
        "registration": Registration.ACCEPTED,
        "boot": BOOT,
        "booted_at": at,
        "last_seen_at": "2027-01-01T00:00:00Z",
        "local_list_version": 0,
        "firmware_status": {"status": "Installed", "requestId": 3, "reportedAt": at},
        "diagnostics_status": None,
        "log_status": {"status": "Uploaded", "reportedAt": at},
    }
    assert await store.all() == [found]
    assert store.connectors("CP-1") == [Connector(1, "Available", "NoError", STATUS, at)]
    await store.record_local_list("CP-1", LocalList(4, 9))
    assert store.local_list("CP-1") == LocalList(4, 9)
    assert store.local_list("CP-9") == LocalList(0, 0)


async def test_registrations_and_whom_they_are_told(database: Database) -> None:
    store = ChargePointStore(database, newcomers=Registration.PENDING)
    standing = store.standing("CP-1")
    assert standing is store.standing("CP-1")
    assert (standing.registration, standing.booted) == (Registration.PENDING, False)
    assert await store.set_registration("CP-1", Registration.ACCEPTED) is None, "it is not known"
    assert await store.record_boot("CP-1", BOOT, NOW) is Registration.PENDING
    changed = await store.set_registration("CP-1", Registration.ACCEPTED)
    assert changed is not None
    assert changed.registration is Registration.ACCEPTED
    assert standing.may_speak
    await store.register("CP-1", Registration.REJECTED)
    assert not standing.may_speak
    registered = await store.register("CP-2", Registration.ACCEPTED)
    assert (registered.boot, registered.booted_at) == (None, None)
    assert not store.standing("CP-2").may_speak
    assert await store.record_boot("CP-2", BOOT, NOW) is Registration.ACCEPTED


async def test_a_standing_that_nobody_holds_is_forgotten(database: Database) -> None:
    store = ChargePointStore(database)
    for number in range(100):
        store.standing(f"STRANGER-{number}")
    gc.collect()
    assert not store._standings
