"""A driver's visit: a vehicle charges until it has what it wants, and leaves."""

from chargepoint_model.behaviour import TABLE, Driver, Event, State
from chargepoint_model.connector import Connector
from chargepoint_model.session import Session
from chargepoint_model.station import Station


def arrive(connector: Connector) -> None:
    """Plug in, where the cable is not in already."""
    if Event.PLUGGED_IN in TABLE[connector.state]:
        connector.happen(Event.PLUGGED_IN)


def leave(connector: Connector) -> None:
    """Unplug, whatever has become of the session."""
    if Event.UNPLUGGED in TABLE[connector.state]:
        connector.unplug()


def begin(connector: Connector, driver: Driver) -> Session:
    """Plug in and start, as a driver who has been accepted already.

    Raises:
        EventRefusedError: the connector cannot start a session now.
    """
    arrive(connector)
    connector.happen(Event.TAG_ACCEPTED, driver)
    assert connector.session is not None, "a cable and a driver begin a session"
    return connector.session


async def charge(station: Station, connector: Connector, energy_wh: int) -> None:
    """Go with the session that has just begun until it has ended, by its driver or by others.

    Args:
        station: whose connector it is.
        connector: where a session has begun.
        energy_wh: what the vehicle takes, in Wh; then its driver comes back.
    """
    session = connector.session
    assert session is not None, "a session has begun"
    await connector.leave({State.STARTING})
    wanted_wh = session.meter_start_wh + energy_wh
    while connector.session is session:
        missing_s, changed = connector.seconds_until(wanted_wh), connector.changed
        if missing_s == 0:
            connector.happen(Event.OWNER_RETURNED, session.driver)
        elif missing_s is None:
            await changed.wait()
        else:
            await station.time.wait(missing_s, until=changed)


async def to_the_end(station: Station, connector: Connector, energy_wh: int) -> None:
    """Charge, then leave."""
    await charge(station, connector, energy_wh)
    leave(connector)
