"""What the parts of a central system and of the hub take from their machine, when they run in a simulation.

The real parts run as they are: only where they ask for the time, for a random id, for a socket or for a link on
it do they get the simulation's. Lists are cut into such small pages that a few tokens take several.
"""

import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, tzinfo
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from cascade.roaming.tokens import PullWhitelist
from cpo_central.cdrs import corrections
from cpo_central.chargers import desk
from cpo_central.drivers import authorizer
from cpo_central.roaming import home, hub_client, peer_client, peer_server, replication
from nap import distribution, operators
from tests.faults.simulation.node import CURRENT
from tests.faults.simulation.wire import End

PAGE = 5
"""Tokens in a page of the whitelist."""

RECORD_INTERVAL_S = 3.0
"""Longer than in earnest: nothing but its ticks would happen most of the time."""

READ_THE_TIME = (authorizer, desk, home, peer_client, peer_server)
MAKE_IDS = (corrections, desk)
DIAL = (hub_client, peer_client)
MAKE_LINKS = (hub_client, operators, peer_client, peer_server)


class NodeTime(datetime):
    """The `datetime` of a module that reads the clock."""

    @classmethod
    def now(cls, _: tzinfo | None = None) -> datetime:  # type: ignore[override]
        """What the clock of the node says that asks, in UTC."""
        return CURRENT.get().clock()


@contextlib.contextmanager
def simulated(dial: Callable[..., Awaitable[End]], rng: random.Random) -> Iterator[None]:
    """Have the parts live in the simulation meanwhile.

    Args:
        dial: as `cascade.client.dial`; it is the node of the moment that dials.
        rng: draws ids.
    """

    def new_id() -> UUID:
        return UUID(int=rng.getrandbits(128), version=4)

    with pytest.MonkeyPatch.context() as patch:
        for what, modules, stand_in in (
            ("datetime", READ_THE_TIME, NodeTime),
            ("uuid4", MAKE_IDS, new_id),
            ("dial", DIAL, dial),
            ("Link", MAKE_LINKS, _link),
        ):
            for module in modules:
                patch.setattr(module, what, stand_in)
        patch.setattr(home, "RECORD_INTERVAL_S", RECORD_INTERVAL_S)
        patch.setattr(distribution, "PAGE_MAX", PAGE)
        patch.setattr(replication, "PullWhitelist", partial(PullWhitelist, limit=PAGE))
        yield


def _link(connection: End, *, handlers: Any, **_: object) -> End:  # noqa: ANN401 - as a Link takes them
    """A `Link` on an end of a wire is the end itself."""
    connection.handlers = handlers
    return connection
