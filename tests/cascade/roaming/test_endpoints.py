from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cascade.roaming import endpoints
from cascade.roaming.model import RoamingModel


def model(kind: type[RoamingModel], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[RoamingModel]:
    return st.fixed_dictionaries(fields).map(lambda given: kind(**given))


EXPIRY = datetime(2026, 3, 1, tzinfo=UTC)
prefixes = st.lists(st.from_regex(r"\A[\x20-\x7e]{2,20}\Z"), max_size=3).map(tuple)
urls = st.sampled_from(["ws://peer.example:9000", "wss://peer.example/ocpp/peer", "ws://[::1]:80/a"])
messages = st.one_of(
    model(endpoints.PublishEndpoint, url=st.none() | urls, id_tag_prefixes=prefixes),
    model(
        endpoints.EndpointPublished,
        accepted=prefixes,
        rejected=st.lists(
            model(endpoints.RejectedPrefix, id_tag_prefix=st.text(), code=st.text(), detail=st.text()),
            max_size=2,
        ).map(tuple),
        ticket_key=st.text(),
    ),
    model(endpoints.LookupEndpoint, id_tag=st.from_regex(r"\A[\x20-\x7e]{1,20}\Z")),
    model(
        endpoints.Referral,
        operator_id=st.from_regex(r"\A[A-Za-z0-9*._-]{1,36}\Z"),
        url=urls,
        id_tag_prefixes=prefixes,
        ticket=st.text(),
        expiry=st.just(EXPIRY),
    ),
)


@given(messages)
def test_messages_come_back_as_they_were_sent(message: RoamingModel) -> None:
    assert type(message).model_validate_json(message.wire()) == message


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://peer.example",
        "ws://",
        "ws:///path",
        "peer.example",
        "ws://peer.example/a?b=c",
        "ws://peer.example/a#b",
        "ws://peer example/",
        "ws://peer.example/\n",
        "wss://" + "x" * 250,
    ],
)
def test_an_endpoint_that_nobody_can_dial_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        endpoints.PublishEndpoint(url=url)


def test_an_operator_without_an_endpoint_may_publish_prefixes() -> None:
    assert endpoints.PublishEndpoint(id_tag_prefixes=("DE",)).url is None


def test_prefixes_are_limited_in_number_and_shortness() -> None:
    endpoints.PublishEndpoint(id_tag_prefixes=("DE",) * endpoints.PREFIXES_MAX)
    with pytest.raises(ValidationError, match="at most 100"):
        endpoints.PublishEndpoint(id_tag_prefixes=("DE",) * (endpoints.PREFIXES_MAX + 1))
    with pytest.raises(ValidationError):
        endpoints.PublishEndpoint(id_tag_prefixes=("D",))
