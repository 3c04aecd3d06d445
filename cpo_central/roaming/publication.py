"""Telling the hub about our drivers' tokens: a delta where it knows the rest, else the full list.

A delta names the version that the hub gave last. If the hub knows no such version, because it or we came back
from a backup, it refuses with VersionConflict, and gets the full list.
"""

from collections.abc import Sequence

import structlog

from cascade.errors import RoamingRefused
from cascade.exchange import ask
from cascade.link import Link
from cascade.logs import masked
from cascade.roaming.model import id_key
from cascade.roaming.tokens import PAGE_MAX, PublishTokens, RejectedToken, TokensPublished
from cpo_central.drivers.tokens import TokenStore

log = structlog.get_logger()

VERSION_CONFLICT = "VersionConflict"


class Publication:
    """Publishes our tokens over whatever link there is.

    Args:
        tokens: ours.
        page_size: tokens in one message, at most.
    """

    def __init__(self, tokens: TokenStore, page_size: int = PAGE_MAX) -> None:
        self._tokens = tokens
        self._page_size = page_size

    @property
    def pending(self) -> bool:
        """Whether there is something that the hub has not been told."""
        return self._tokens.last_change() > self._tokens.published().change

    async def publish(self, link: Link) -> None:
        """Tell the hub what it does not know; an empty delta if it knows all, to see that it still does.

        Raises:
            RoamingRefused: the hub takes neither a delta nor the full list.
            CallFailed: no answer came.
        """
        version = self._tokens.published().version
        if version is None:
            await self._publish_full(link)
            return
        try:
            await self._publish_delta(link, version)
        except RoamingRefused as refused:
            if refused.code != VERSION_CONFLICT:
                raise
            await self._publish_full(link)

    async def _publish_delta(self, link: Link, version: int) -> None:
        change, told, refused = self._tokens.published().change, 0, 0
        while True:
            changed = self._tokens.changed_since(change, self._page_size)
            page = [own.token for own in changed]
            answer = await self._send(link, PublishTokens(full=False, base_version=version, tokens=tuple(page)))
            version, change = answer.version, changed[-1].change if changed else change
            await self._tokens.record_published(version, change, page, answer.rejected)
            told, refused = told + len(page), refused + len(answer.rejected)
            if len(page) < self._page_size:
                break
        log.info("published", version=version, tokens=told, rejected=refused)

    async def _publish_full(self, link: Link) -> None:
        change = self._tokens.last_change()  # what changes from here on is the next delta
        version, key, told, refused = 0, "", 0, 0
        while True:
            ahead = self._tokens.page_after(key, self._page_size + 1)
            page, more = ahead[: self._page_size], len(ahead) > self._page_size
            answer = await self._send(
                link, PublishTokens(full=True, base_version=version, more=more, tokens=tuple(page))
            )
            version, told, refused = answer.version, told + len(page), refused + len(answer.rejected)
            if not more:
                break
            await self._tokens.record_page(page, answer.rejected)
            key = id_key(page[-1].id_tag)
        await self._tokens.record_published(version, change, page, answer.rejected)
        log.info("published", version=version, tokens=told, rejected=refused, full=True)

    async def _send(self, link: Link, message: PublishTokens) -> TokensPublished:
        answer = await ask(link, message, TokensPublished)
        _warn(answer.rejected)
        return answer


def _warn(rejected: Sequence[RejectedToken]) -> None:
    for token in rejected:
        log.warning("token_rejected", id_tag=masked(token.id_tag), code=token.code, detail=token.detail)
