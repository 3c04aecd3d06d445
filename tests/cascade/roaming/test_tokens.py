from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cascade import ocpp16
from cascade.roaming import tokens
from cascade.roaming.model import RoamingModel
from cascade.roaming.tokens import PAGE_MAX, Token, TokenStatus, id_tag_info

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON, LONG_AGO = NOW + timedelta(days=1), NOW - timedelta(days=1)


def model(kind: type[RoamingModel], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[RoamingModel]:
    return st.fixed_dictionaries(fields).map(lambda given: kind(**given))


id_tags = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=20)
moments = st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
some_tokens: st.SearchStrategy[Any] = model(
    Token,
    id_tag=id_tags,
    status=st.sampled_from(TokenStatus),
    expiry_date=st.none() | moments,
    parent_id_tag=st.none() | id_tags,
    deleted=st.booleans(),
)
counts = st.integers(0, 2**63 - 1)
pages = st.lists(some_tokens, max_size=3).map(tuple)
messages = st.one_of(
    some_tokens,
    model(tokens.PublishTokens, full=st.booleans(), base_version=counts, more=st.booleans(), tokens=pages),
    model(
        tokens.TokensPublished,
        version=counts,
        rejected=st.lists(
            model(tokens.RejectedToken, id_tag=st.text(), code=st.text(), detail=st.text()), max_size=3
        ).map(tuple),
    ),
    model(tokens.PullWhitelist, epoch=counts, version=counts, limit=st.integers(1, PAGE_MAX)),
    model(tokens.WhitelistPage, epoch=counts, version=counts, more=st.booleans(), changes=pages),
    model(tokens.WhitelistChanged, epoch=counts, from_version=counts, to_version=counts, changes=pages),
    model(tokens.WhitelistApplied, epoch=counts, version=counts),
)


@given(messages)
def test_messages_come_back_as_they_were_sent(message: RoamingModel) -> None:
    assert type(message).model_validate_json(message.wire()) == message


@pytest.mark.parametrize(
    ("token", "info"),
    [
        (None, {"status": "Invalid"}),
        (Token(id_tag="A", deleted=True), {"status": "Invalid"}),
        (
            Token(id_tag="A", deleted=True, expiry_date=SOON, parent_id_tag="P"),
            {"status": "Invalid"},
        ),
        (Token(id_tag="A"), {"status": "Accepted"}),
        (Token(id_tag="A", parent_id_tag="P"), {"status": "Accepted", "parentIdTag": "P"}),
        (
            Token(id_tag="A", expiry_date=SOON),
            {"status": "Accepted", "expiryDate": "2026-03-02T12:00:00Z"},
        ),
        (
            Token(id_tag="A", expiry_date=LONG_AGO),
            {"status": "Expired", "expiryDate": "2026-02-28T12:00:00Z"},
        ),
        (Token(id_tag="A", expiry_date=NOW), {"status": "Expired", "expiryDate": "2026-03-01T12:00:00Z"}),
        (Token(id_tag="A", status=TokenStatus.EXPIRED), {"status": "Expired"}),
        (Token(id_tag="A", status=TokenStatus.BLOCKED), {"status": "Blocked"}),
        (
            Token(id_tag="A", status=TokenStatus.BLOCKED, expiry_date=LONG_AGO),
            {"status": "Blocked", "expiryDate": "2026-02-28T12:00:00Z"},
        ),
        (Token(id_tag="A", status=TokenStatus.INVALID), {"status": "Invalid"}),
    ],
)
def test_what_a_token_means_now(token: Token | None, info: dict[str, str]) -> None:
    assert id_tag_info(token.standing if token else None, NOW) == info


@given(st.none() | some_tokens, moments)
def test_what_a_token_means_is_an_id_tag_info_of_the_standard(token: Token | None, now: datetime) -> None:
    ocpp16.check_result("Authorize", {"idTagInfo": id_tag_info(token.standing if token else None, now)})


def test_a_page_holds_at_most_500() -> None:
    page = tuple(Token(id_tag=str(number)) for number in range(PAGE_MAX + 1))
    tokens.WhitelistPage(epoch=1, version=1, more=True, changes=page[:PAGE_MAX])
    with pytest.raises(ValidationError, match="at most 500"):
        tokens.WhitelistPage(epoch=1, version=1, more=True, changes=page)
    with pytest.raises(ValidationError, match="at most 500"):
        tokens.WhitelistChanged(epoch=1, from_version=1, to_version=2, changes=page)
    with pytest.raises(ValidationError, match="at most 500"):
        tokens.PublishTokens(full=True, base_version=0, tokens=page)


@pytest.mark.parametrize("limit", [0, -1, PAGE_MAX + 1])
def test_a_pull_asks_for_1_to_500(limit: int) -> None:
    with pytest.raises(ValidationError):
        tokens.PullWhitelist(epoch=0, version=0, limit=limit)


def test_a_pull_asks_for_a_full_page_unless_told() -> None:
    assert tokens.PullWhitelist(epoch=0, version=0).limit == PAGE_MAX


def test_a_status_of_ocpp_that_is_no_state_of_a_token_is_refused() -> None:
    with pytest.raises(ValidationError):
        Token.model_validate_json('{"idTag":"A","status":"ConcurrentTx"}')
