from cpo_central.chargers.events import EventKind, Events


async def test_every_watcher_is_told_from_when_it_watches() -> None:
    events = Events()
    events.publish(EventKind.CONNECTED, "CP-0", {})
    with events.watching() as one, events.watching() as other:
        events.publish(EventKind.STATUS, "CP-1", {"connectorId": 1})
        for watch in (one, other):
            event = await watch.get()
            assert event is not None
            assert (event.kind, event.charge_point_id, event.details) == ("status", "CP-1", {"connectorId": 1})
            assert event.at.utcoffset() is not None
            assert watch.empty()
    events.publish(EventKind.CONNECTED, "CP-1", {})
    assert one.empty()


async def test_a_slow_watcher_is_dropped_and_no_other_loses_anything() -> None:
    events = Events(room=2)
    with events.watching() as slow, events.watching() as quick:
        for number in range(5):
            events.publish(EventKind.METER_VALUES, f"CP-{number}", {})
            event = await quick.get()
            assert event is not None
            assert event.charge_point_id == f"CP-{number}"
        assert await slow.get() is None
        assert slow.empty()


async def test_closing_ends_every_watch() -> None:
    events = Events()
    with events.watching() as watch:
        events.publish(EventKind.CONNECTED, "CP-1", {})
        events.close()
        assert await watch.get() is None
