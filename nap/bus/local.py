"""The bus of a hub that is one process: the links are all here."""

from typing import TypeVar

from cascade.errors import LinkLostError
from cascade.exchange import ask
from cascade.frames import Payload
from cascade.link import Link
from cascade.roaming.model import RoamingModel

A = TypeVar("A", bound=RoamingModel)


class LocalBus:
    """The links of this process, one an operator; the newest wins."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    def attach(self, operator_id: str, link: Link) -> Link | None:
        """Deliver to this link from now on; returns the one that it takes over from."""
        replaced = self._links.get(operator_id)
        self._links[operator_id] = link
        return replaced

    def detach(self, operator_id: str, link: Link) -> bool:
        """The link is gone; False if another has taken over meanwhile."""
        if self._links.get(operator_id) is not link:
            return False
        del self._links[operator_id]
        return True

    def links(self) -> dict[str, Link]:
        """Every link now, by operatorId."""
        return dict(self._links)

    def linked(self, operator_id: str) -> bool:
        """Whether the operator has a link now."""
        return operator_id in self._links

    async def call(
        self, operator_id: str, action: str, payload: Payload, *, timeout_s: float | None = None
    ) -> Payload:
        """Call an operator."""
        return await self._link(operator_id).call(action, payload, timeout_s=timeout_s)

    async def ask(self, operator_id: str, message: RoamingModel, expected: type[A]) -> A:
        """Send an operator a roaming message."""
        return await ask(self._link(operator_id), message, expected)

    def _link(self, operator_id: str) -> Link:
        link = self._links.get(operator_id)
        if link is None:
            raise LinkLostError(f"{operator_id} is not linked")
        return link
