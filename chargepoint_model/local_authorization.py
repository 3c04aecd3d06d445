"""What a charge point knows about tags by itself: its Local Authorization List and its Authorization Cache.

The rules (OCPP 1.6, sections 3.4 and 5.15):

1. The list is the central system's: it is changed by SendLocalList only, and goes before the cache.
2. The cache holds what the central system last answered about tags that are not in the list.
3. What has expired is Expired, whatever it was.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from cascade.frames import Payload
from cascade.ocpp16 import AuthorizationStatus
from cascade.roaming.model import id_key
from chargepoint_model.keys import MAX_LIST_LENGTH, MAX_LIST_UPDATE
from chargepoint_model.moments import read_moment

CACHE_SIZE = 1000
"""Tags that the cache holds; the one answered longest ago makes room."""


class TagInfo(NamedTuple):
    """An IdTagInfo (section 7.27)."""

    status: str
    parent_id_tag: str | None = None
    expires_at: datetime | None = None

    def at(self, now: datetime) -> "TagInfo":
        """What it says at a moment."""
        if self.expires_at is not None and self.expires_at <= now:
            return self._replace(status=AuthorizationStatus.expired)
        return self


def tag_info(payload: Payload) -> TagInfo:
    """An IdTagInfo as it was sent.

    Raises:
        BadValueError: its expiryDate is not in the calendar.
    """
    expiry = payload.get("expiryDate")
    return TagInfo(payload["status"], payload.get("parentIdTag"), read_moment(expiry) if expiry else None)


class LocalAuthorization:
    """The list and the cache of one charge point."""

    def __init__(self) -> None:
        self.version = 0
        """The list's version; 0 while it is empty (section 5.10)."""
        self._list: dict[str, TagInfo] = {}
        self._cache: dict[str, TagInfo] = {}

    def known(self, id_tag: str, now: datetime, *, in_list: bool, in_cache: bool) -> TagInfo | None:
        """What is known about a tag; None if nothing is.

        Args:
            id_tag: the tag.
            now: the moment.
            in_list: whether the list is enabled.
            in_cache: whether the cache is enabled.
        """
        key = id_key(id_tag)
        info = self._list.get(key) if in_list else None
        if info is None and in_cache:
            info = self._cache.get(key)
        return None if info is None else info.at(now)

    def remember(self, id_tag: str, info: TagInfo) -> None:
        """Keep in the cache what the central system has answered."""
        key = id_key(id_tag)
        self._cache.pop(key, None)
        if key in self._list:
            return
        self._cache[key] = info
        if len(self._cache) > CACHE_SIZE:
            del self._cache[next(iter(self._cache))]

    def clear_cache(self) -> None:
        """Forget what was answered (section 5.4)."""
        self._cache.clear()

    def update(self, version: int, entries: Sequence[Payload], *, full: bool) -> str:
        """The status that answers SendLocalList (section 5.15); nothing has changed unless it is Accepted.

        Args:
            version: of the list after the update.
            entries: AuthorizationData; without idTagInfo one is removed, which only a difference may ask.
            full: whether the entries are the whole list.

        Raises:
            BadValueError: an expiryDate is not in the calendar.
        """
        if not full and version <= self.version:
            return "VersionMismatch"
        tags = {id_key(entry["idTag"]): entry.get("idTagInfo") for entry in entries}
        if version < 1 or len(tags) < len(entries) or len(entries) > MAX_LIST_UPDATE:
            return "Failed"
        if full and None in tags.values():
            return "Failed"
        merged = {} if full else dict(self._list)
        for key, info in tags.items():
            if info is None:
                merged.pop(key, None)
            else:
                merged[key] = tag_info(info)
        if len(merged) > MAX_LIST_LENGTH:
            return "Failed"
        self.version, self._list = version, merged
        for key in tags:
            self._cache.pop(key, None)
        return "Accepted"
