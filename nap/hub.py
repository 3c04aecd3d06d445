"""The hub's work: load the facts that a decision needs, decide, carry out the outcome, say what happened."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, assert_never

import structlog

from cascade.errors import CallFailed, RoamingRefused, SecurityFaultError
from cascade.exchange import answering
from cascade.frames import Call, Payload
from cascade.link import Handler
from cascade.logs import masked
from cascade.recorder import Recorder
from cascade.roaming import tickets
from cascade.roaming.cdrs import Cdr, CdrBatch, CdrOutcomes, CdrReceipt, ReceiptStatus
from cascade.roaming.endpoints import EndpointPublished, LookupEndpoint, PublishEndpoint, Referral
from cascade.roaming.model import Refusal, id_key, utc_text
from cascade.roaming.tokens import PublishTokens, PullWhitelist, TokensPublished, WhitelistPage
from cascade.tasks import Afterwards
from nap.bus.port import Bus
from nap.decisions import cdrs, endpoints, tokens
from nap.decisions.authorize import INVALID, AuthorizeFacts, authorize
from nap.decisions.endpoints import PrefixFacts, PrefixGrant, ReferralFacts
from nap.decisions.outcome import Answer, Forward, Refuse
from nap.distribution import Distribution
from nap.forwarding import Forwarding
from nap.records import (
    AuthorizationRecord,
    CdrFacts,
    Operator,
    Publication,
    PublicationFacts,
    StoredCdr,
)
from nap.settings import HubSettings
from nap.store.port import Store
from nap.telemetry import Metrics

log = structlog.get_logger()

T = TypeVar("T")


class Hub:
    """What a link of an operator can ask of the hub."""

    def __init__(
        self,
        *,
        settings: HubSettings,
        store: Store,
        bus: Bus,
        distribution: Distribution,
        forwarding: Forwarding,
        recorder: Recorder[AuthorizationRecord],
        metrics: Metrics,
        ticket_public_key: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._store = store
        self._bus = bus
        self._distribution = distribution
        self._forwarding = forwarding
        self._recorder = recorder
        self._metrics = metrics
        self._ticket_public_key = ticket_public_key
        self._clock = clock
        self._afterwards = Afterwards()

    def handlers(self, operator_id: str) -> Mapping[str, Handler]:
        """The actions that a link of this operator may call."""

        def as_operator(method: Callable[[str, Any], Any]) -> Callable[[Any], Any]:
            return lambda message: method(operator_id, message)

        return {
            "BootNotification": self._boot,
            "Heartbeat": self._heartbeat,
            "Authorize": as_operator(self.authorize),
            "DataTransfer": answering(
                {
                    PublishTokens: as_operator(self.publish_tokens),
                    PullWhitelist: as_operator(self.pull_whitelist),
                    PublishEndpoint: as_operator(self.publish_endpoint),
                    LookupEndpoint: as_operator(self.lookup_endpoint),
                    Cdr: as_operator(self.cdr),
                    CdrBatch: as_operator(self.cdr_batch),
                }
            ),
        }

    async def _boot(self, _: Call) -> Payload:
        return {
            "status": "Accepted",
            "currentTime": utc_text(self._clock()),
            "interval": self._settings.heartbeat_interval_s,
        }

    async def _heartbeat(self, _: Call) -> Payload:
        return {"currentTime": utc_text(self._clock())}

    # --- authorization --------------------------------------------------------------------------------------

    async def authorize(self, operator_id: str, call: Call) -> Payload:
        """Authorize (scenarios 2 and 4): from the tokens held, or by asking home."""
        started = time.perf_counter()
        id_tag: str = call.payload["idTag"]
        now = self._clock()
        facts = self._authorize_facts(operator_id, id_tag)
        outcome = authorize(facts, now)
        home_s: float | None = None
        match outcome:
            case Answer(info, decided_by, reason):
                pass
            case Forward(home):
                asked = time.perf_counter()
                info, decided_by, reason = await self._ask_home(home, id_tag)
                home_s = time.perf_counter() - asked
            case _:
                assert_never(outcome)
        home_id = facts.home.operator_id if facts.home else None
        spent_s = time.perf_counter() - started

        def tell() -> None:
            record = AuthorizationRecord(
                operator_id, call.message_id, id_key(id_tag), home_id, info["status"], decided_by, now
            )
            self._tell(record, reason, spent_s, home_s)

        self._afterwards.do(tell)
        return {"idTagInfo": info}

    def _tell(self, record: AuthorizationRecord, reason: str, spent_s: float, home_s: float | None) -> None:
        """The record, one line, and the metrics of an authorization."""
        self._recorder.record(record)
        self._metrics.authorized(record.status, record.decided_by, spent_s)
        log.info(
            "authorization",
            visited=record.visited,
            home=record.home,
            id_tag=masked(record.id_key),
            status=record.status,
            decided_by=record.decided_by,
            reason=reason,
            message_id=record.message_id,
            hub_ms=round((spent_s - (home_s or 0.0)) * 1000, 3),
            home_ms=None if home_s is None else round(home_s * 1000, 3),
        )

    def _authorize_facts(self, operator_id: str, id_tag: str) -> AuthorizeFacts:
        held = self._store.tokens.find(id_tag)
        home_id = self._home_of(id_tag, held.home if held else None)
        return AuthorizeFacts(
            visited=self._operator(operator_id),
            held=held,
            home=self._store.operators.get(home_id) if home_id else None,
            home_linked=home_id is not None and self._bus.linked(home_id),
        )

    async def _ask_home(self, home: str, id_tag: str) -> tuple[dict[str, Any], str, str]:
        try:
            answer = await self._bus.call(home, "Authorize", {"idTag": id_tag})
        except CallFailed as error:
            return INVALID, "none", str(error)
        return answer["idTagInfo"], "home", ""

    def _home_of(self, id_tag: str, holder: str | None) -> str | None:
        return holder or self._store.endpoints.prefix_owner(id_tag)

    def _operator(self, operator_id: str) -> Operator:
        operator = self._store.operators.get(operator_id)
        if operator is None:
            raise SecurityFaultError("the hub no longer knows this operator")
        return operator

    # --- tokens and the whitelist ---------------------------------------------------------------------------

    async def publish_tokens(self, operator_id: str, message: PublishTokens) -> TokensPublished:
        """PublishTokens: take what is the operator's to publish, say why the rest is not."""

        def decide(facts: PublicationFacts) -> Publication:
            return _granted(tokens.publish(operator_id, message, facts))

        published = await self._store.tokens.publish(operator_id, message, decide)
        log.info(
            "tokens_published",
            operator=operator_id,
            full=message.full,
            tokens=len(message.tokens),
            rejected=len(published.rejected),
            version=published.version,
        )
        self._distribution.wake()
        return published

    async def pull_whitelist(self, operator_id: str, message: PullWhitelist) -> WhitelistPage:
        """PullWhitelist: one page of what has changed."""
        self._operator(operator_id)
        return self._distribution.pull(operator_id, message)

    # --- endpoints and referrals ----------------------------------------------------------------------------

    async def publish_endpoint(self, operator_id: str, message: PublishEndpoint) -> EndpointPublished:
        """PublishEndpoint: where the operator's peers may ask, and its prefixes."""

        def decide(taken: dict[str, str], foreign: frozenset[str]) -> PrefixGrant:
            return endpoints.grant_prefixes(
                operator_id, message.id_tag_prefixes, PrefixFacts(taken=taken, foreign_tokens=foreign)
            )

        grant = await self._store.endpoints.publish(
            operator_id, message.url, message.id_tag_prefixes, decide, lambda decision: decision.accepted
        )
        log.info(
            "endpoint_published",
            operator=operator_id,
            url=message.url,
            accepted=grant.accepted,
            rejected=[rejected.id_tag_prefix for rejected in grant.rejected],
        )
        return EndpointPublished(
            accepted=grant.accepted, rejected=grant.rejected, ticket_key=self._ticket_public_key
        )

    async def lookup_endpoint(self, operator_id: str, message: LookupEndpoint) -> Referral:
        """LookupEndpoint: refer the visited operator to home, with a ticket (scenario 3)."""
        held = self._store.tokens.find(message.id_tag)
        home_id = self._home_of(message.id_tag, held.home if held else None)
        outcome = endpoints.refer(
            ReferralFacts(
                visited=self._operator(operator_id),
                home=self._store.operators.get(home_id) if home_id else None,
                endpoint=self._store.endpoints.get(home_id) if home_id else None,
            )
        )
        granted = isinstance(outcome, Answer)
        log.info("referral", visited=operator_id, home=home_id, id_tag=masked(message.id_tag), granted=granted)
        grant = _granted(outcome)
        now = self._clock()
        expiry = (now + timedelta(seconds=self._settings.referral_lifetime_s)).replace(microsecond=0)
        ticket = tickets.issue(
            self._store.ticket_key(), visited=operator_id, home=grant.home, now=now, expiry=expiry
        )
        return Referral(
            operator_id=grant.home,
            url=grant.endpoint.url,
            id_tag_prefixes=grant.endpoint.id_tag_prefixes,
            ticket=ticket,
            expiry=expiry,
        )

    # --- CDRs -----------------------------------------------------------------------------------------------

    async def cdr(self, operator_id: str, message: Cdr) -> CdrReceipt:
        """Cdr: take it into custody, acknowledge once it is committed, then bring it home."""
        (outcome,) = await self._take(operator_id, (message,))
        if isinstance(outcome, RoamingRefused):
            raise outcome
        return _receipt(outcome)

    async def cdr_batch(self, operator_id: str, message: CdrBatch) -> CdrOutcomes:
        """CdrBatch: many, with one commit."""
        taken = await self._take(operator_id, message.cdrs)
        return CdrOutcomes(
            outcomes=tuple(
                Refusal(code=outcome.code, detail=outcome.detail)
                if isinstance(outcome, RoamingRefused)
                else _receipt(outcome)
                for outcome in taken
            )
        )

    async def _take(self, operator_id: str, messages: Sequence[Cdr]) -> Sequence[StoredCdr | RoamingRefused]:
        now = self._clock()
        await self._recorder.flush()

        def decide(message: Cdr, facts: CdrFacts) -> StoredCdr | None:
            return _granted(cdrs.intake(operator_id, message, message.wire(), facts, now))

        taken = await self._store.cdrs.take(operator_id, messages, decide, now)
        self._afterwards.do(lambda: self._tell_taken(operator_id, messages, taken))
        for home in dict.fromkeys(outcome.home for outcome in taken if isinstance(outcome, StoredCdr)):
            self._forwarding.wake(home)
        return taken

    def _tell_taken(
        self, visited: str, messages: Sequence[Cdr], taken: Sequence[StoredCdr | RoamingRefused]
    ) -> None:
        """A line for each CDR, and the metrics."""
        for message, outcome in zip(messages, taken, strict=True):
            cdr_id = str(message.cdr_id)
            if isinstance(outcome, RoamingRefused):
                self._metrics.cdrs.labels("refused").inc()
                log.warning("cdr", cdr_id=cdr_id, stage="refused", visited=visited, reason=str(outcome))
            else:
                self._metrics.cdrs.labels("received").inc()
                log.info(
                    "cdr",
                    cdr_id=cdr_id,
                    stage="received",
                    visited=visited,
                    home=outcome.home,
                    authorized=outcome.authorized,
                )


def _receipt(stored: StoredCdr) -> CdrReceipt:
    return CdrReceipt(
        cdr_id=stored.cdr.cdr_id,
        digest=stored.digest,
        received_at=stored.received_at,
        status=ReceiptStatus.RECEIVED,
    )


def _granted(outcome: Answer[T] | Refuse) -> T:
    match outcome:
        case Answer(value):
            return value
        case Refuse(code, detail):
            raise RoamingRefused(code, detail)
        case _:
            assert_never(outcome)
