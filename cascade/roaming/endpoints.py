"""Endpoints: where a home operator answers its peers itself, and the referral that leads there."""

from typing import Annotated

from pydantic import Field, StringConstraints

from cascade.roaming.model import IdTag, IdTagPrefix, Moment, OperatorId, RoamingModel

PREFIXES_MAX = 100

EndpointUrl = Annotated[str, StringConstraints(pattern=r"^wss?://[^\s/]+(/[^\s?#]*)?$", max_length=255)]
"""Where peers connect: ws:// or wss://; they append their own operatorId as the last segment."""


class PublishEndpoint(RoamingModel):
    """Home to hub: our peer endpoint, if we have one, and the prefixes of our tokens. Replaces the last."""

    url: EndpointUrl | None = None
    id_tag_prefixes: Annotated[tuple[IdTagPrefix, ...], Field(max_length=PREFIXES_MAX)] = ()


class RejectedPrefix(RoamingModel):
    """A prefix that the hub does not give to this operator."""

    id_tag_prefix: str
    code: str
    detail: str


class EndpointPublished(RoamingModel):
    """The prefixes that are now ours, and the key that verifies the tickets of peers (PEM, Ed25519)."""

    accepted: tuple[IdTagPrefix, ...]
    rejected: tuple[RejectedPrefix, ...] = ()
    ticket_key: str


class LookupEndpoint(RoamingModel):
    """Visited to hub: who may be asked about this token?"""

    id_tag: IdTag


class Referral(RoamingModel):
    """Ask this operator, at this endpoint, with this ticket, until it expires.

    It holds for all tokens that begin with one of the prefixes.
    """

    operator_id: OperatorId
    url: EndpointUrl
    id_tag_prefixes: tuple[IdTagPrefix, ...] = ()
    ticket: str
    expiry: Moment
