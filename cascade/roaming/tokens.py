"""Tokens: what a home operator publishes, what a whitelist carries, and what a token's state means."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import Field

from cascade.frames import Payload
from cascade.roaming.model import Count, IdTag, Moment, RoamingModel, utc_text

PAGE_MAX = 500
"""Tokens in one message, at most."""


class TokenStatus(StrEnum):
    """A token's state at its home operator (OCPP 1.6 AuthorizationStatus, without ConcurrentTx)."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"


STATUSES = {status.value: status for status in TokenStatus}
"""The status that a text stands for; a look-up takes a fraction of the time of the enum's own."""


class Standing(NamedTuple):
    """What the answer about a token depends on."""

    status: TokenStatus
    expiry_date: datetime | None = None
    parent_id_tag: str | None = None
    deleted: bool = False

    @classmethod
    def read(
        cls, status: str, expiry_date: str | None, parent_id_tag: str | None, *, deleted: bool = False
    ) -> "Standing":
        """The standing in a row of a store, which holds only what was checked when it came in."""
        expiry = datetime.fromisoformat(expiry_date) if expiry_date else None
        return cls(STATUSES[status], expiry, parent_id_tag, deleted)


class Token(RoamingModel):
    """A driver's token, as its home operator describes it."""

    id_tag: IdTag
    status: TokenStatus = TokenStatus.ACCEPTED
    expiry_date: Moment | None = None
    parent_id_tag: IdTag | None = None
    deleted: bool = False

    @property
    def standing(self) -> Standing:
        """What the answer about it depends on."""
        return Standing(self.status, self.expiry_date, self.parent_id_tag, self.deleted)


Page = Annotated[tuple[Token, ...], Field(max_length=PAGE_MAX)]


def id_tag_info(token: Standing | None, now: datetime) -> Payload:
    """What a token means now, as OCPP's IdTagInfo; a token that is not there is Invalid.

    Past its `expiryDate` an accepted token is Expired.
    """
    if token is None or token.deleted:
        return {"status": TokenStatus.INVALID.value}
    status = token.status
    if status is TokenStatus.ACCEPTED and token.expiry_date is not None and token.expiry_date <= now:
        status = TokenStatus.EXPIRED
    info: Payload = {"status": status.value}
    if token.expiry_date is not None:
        info["expiryDate"] = utc_text(token.expiry_date)
    if token.parent_id_tag is not None:
        info["parentIdTag"] = token.parent_id_tag
    return info


class PublishTokens(RoamingModel):
    """Home to hub: what has changed among our tokens, or the full list of them.

    A delta names the version that the hub gave for the publication before it. A full list starts with a page
    whose `base_version` is 0; each further page names the version of the page before; what the list has not
    named when a page says that there is no `more` is deleted.
    """

    full: bool
    base_version: Count
    more: bool = False
    tokens: Page


class RejectedToken(RoamingModel):
    """A published token that the hub does not take."""

    id_tag: str
    code: str
    detail: str


class TokensPublished(RoamingModel):
    """The hub has taken a publication, apart from what it rejected."""

    version: Count
    rejected: tuple[RejectedToken, ...] = ()


class PullWhitelist(RoamingModel):
    """Visited to hub: the changes since a version; epoch and version 0 ask for everything."""

    epoch: Count
    version: Count
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = PAGE_MAX


class WhitelistPage(RoamingModel):
    """Changes in order, and the version that they lead to.

    If the epoch is not the one asked for, the list has begun anew: forget what you hold, then apply.
    """

    epoch: Count
    version: Count
    more: bool
    changes: Page


class WhitelistChanged(RoamingModel):
    """Hub to visited: the changes from one version to another."""

    epoch: Count
    from_version: Count
    to_version: Count
    changes: Page


class WhitelistApplied(RoamingModel):
    """The version that the visited operator's replica has now; if it is not `to_version`, it will pull."""

    epoch: Count
    version: Count
