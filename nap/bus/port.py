"""Delivering a call to an operator, wherever its link is."""

from typing import Protocol, TypeVar

from cascade.frames import Payload
from cascade.link import Link
from cascade.roaming.model import RoamingModel

A = TypeVar("A", bound=RoamingModel)


class Bus(Protocol):
    """Who can be reached."""

    def linked(self, operator_id: str) -> bool:
        """Whether the operator has a link now."""
        ...

    async def call(
        self, operator_id: str, action: str, payload: Payload, *, timeout_s: float | None = None
    ) -> Payload:
        """Call an operator.

        Raises:
            LinkLostError: it is not linked, at once; or its link went during the call.
            CallFailed: no result came.
        """
        ...

    async def ask(self, operator_id: str, message: RoamingModel, expected: type[A]) -> A:
        """Send an operator a roaming message.

        Raises:
            RoamingRefused: it refused.
            CallFailed: no answer came.
        """
        ...


class Links(Protocol):
    """The links of this process, one an operator; the newest wins."""

    def attach(self, operator_id: str, link: Link) -> Link | None:
        """Deliver to this link from now on; returns the one that it takes over from."""
        ...

    def detach(self, operator_id: str, link: Link) -> bool:
        """The link is gone; False if another has taken over meanwhile."""
        ...

    def links(self) -> dict[str, Link]:
        """Every link now, by operatorId."""
        ...
