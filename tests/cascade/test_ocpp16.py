"""Every action's schema is walked, and each of its rules broken in a payload that is otherwise right."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from importlib import resources
from typing import Any, NamedTuple

import orjson
import pytest
from ocpp.v16 import schemas

from cascade import ocpp16
from cascade.errors import (
    AnswerError,
    BadOccurrenceError,
    BadResultError,
    BadValueError,
    MalformedPayloadError,
    MissingFieldError,
    UnknownActionError,
    WrongTypeError,
)
from cascade.frames import Payload

Schema = dict[str, Any]
Place = tuple[str | int, ...]

SCHEMAS: dict[str, Schema] = {
    file.name.removesuffix(".json"): orjson.loads(file.read_bytes())
    for file in resources.files(schemas).iterdir()
    if file.name.endswith(".json")
}
REQUESTS = sorted(name for name in SCHEMAS if not name.endswith("Response"))

VALUES = {"date-time": "2026-01-31T23:59:59.123Z", "uri": "ftp://example.org/log"}
WRONG_TYPES: dict[str, list[Any]] = {
    "string": [1, True, None, ["x"]],
    "integer": ["1", 1.5, 1.0, True, None],
    "number": ["1", True, None],
    "boolean": ["true", 0, 1, None],
    "array": ["x", {}, None],
    "object": ["x", [], None],
}


class Breach(NamedTuple):
    """A payload with one fault."""

    name: str
    payload: Payload
    error: type[AnswerError]
    place: Place


def resolved(schema: Schema, root: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Any = root
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return resolved(found, root)


def sample(schema: Schema, root: Schema) -> Any:  # noqa: ANN401 - JSON
    """A value that the schema allows, with every optional field."""
    schema = resolved(schema, root)
    if "enum" in schema:
        return schema["enum"][0]
    match schema["type"]:
        case "object":
            return {name: sample(field, root) for name, field in schema.get("properties", {}).items()}
        case "array":
            return [sample(schema["items"], root)] * max(1, schema.get("minItems", 1))
        case "string":
            return VALUES.get(schema.get("format", ""), "x")
        case other:
            return {"integer": 1, "number": 1.5, "boolean": True}[other]


def changed(payload: Payload, place: Place, change: Callable[[Any, str | int], None]) -> Payload:
    """A copy in which what stands at a place has been changed."""
    copy = deepcopy(payload)
    parent: Any = copy
    for step in place[:-1]:
        parent = parent[step]
    change(parent, place[-1])
    return copy


def put(value: object, parent: Any, step: str | int) -> None:  # noqa: ANN401 - JSON
    parent[step] = value


def remove(parent: Any, step: str | int) -> None:  # noqa: ANN401 - JSON
    del parent[step]


class Breaker:
    """Breaks every rule of one schema, one at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.root = SCHEMAS[name]
        self.good = sample(self.root, self.root)

    def breaches(self, schema: Schema, place: Place) -> Iterator[Breach]:
        """Those of the value at a place, and of all within it."""
        schema = resolved(schema, self.root)
        if place:
            for value in WRONG_TYPES[schema["type"]]:
                yield self._put(place, f"is-{value!r}", value, WrongTypeError, place)
        for value, what in wrong_values(schema):
            yield self._put(place, what, value, BadValueError, place)
        if "minItems" in schema:
            yield self._put(place, "empty", [], BadOccurrenceError, place)
        if "items" in schema:
            yield from self.breaches(schema["items"], (*place, 0))
        if schema["type"] == "object":
            yield from self._fields(schema, place)

    def _fields(self, schema: Schema, place: Place) -> Iterator[Breach]:
        for field in schema.get("required", []):
            payload = changed(self.good, (*place, field), remove)
            yield Breach(self._label((*place, field), "missing"), payload, MissingFieldError, place)
        if schema.get("additionalProperties") is False:
            yield self._put((*place, "unheardOf"), "extra", 1, MalformedPayloadError, place)
        for field, inner in schema.get("properties", {}).items():
            yield from self.breaches(inner, (*place, field))

    def _put(self, place: Place, what: str, value: object, error: type[AnswerError], at: Place) -> Breach:
        return Breach(self._label(place, what), changed(self.good, place, partial(put, value)), error, at)

    def _label(self, place: Place, what: str) -> str:
        return ".".join([self.name, *map(str, place), what])


def breaches(name: str) -> list[Breach]:
    """Every way to break one schema."""
    return list(Breaker(name).breaches(SCHEMAS[name], ()))


def wrong_values(schema: Schema) -> Iterator[tuple[object, str]]:
    if "enum" in schema:
        yield "unlisted", "not-in-enum"
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1), "too-long"
    if schema.get("format") == "date-time":
        yield "yesterday", "no-date-time"
        yield "2026-01-31T23:59:59", "no-time-zone"
        yield "2026-02-30T00:00:00Z", "no-such-day"
    if schema.get("format") == "uri":
        yield "not a uri", "no-uri"
    if "multipleOf" in schema:
        yield 0.15, "no-multiple"


def test_the_actions_are_those_of_the_standard_and_its_security_extension() -> None:
    assert sorted(ocpp16.ACTIONS) == REQUESTS
    assert len(REQUESTS) == 28 + 11
    assert {"Authorize", "StartTransaction", "DataTransfer", "SignCertificate"} <= ocpp16.ACTIONS


@pytest.mark.parametrize("action", REQUESTS)
def test_a_full_payload_and_the_least_one_are_allowed(action: str) -> None:
    request, response = SCHEMAS[action], SCHEMAS[f"{action}Response"]
    full_request, full_response = sample(request, request), sample(response, response)
    ocpp16.check_request(action, full_request)
    ocpp16.check_request(action, {field: full_request[field] for field in request.get("required", [])})
    ocpp16.check_result(action, full_response)
    ocpp16.check_result(action, {field: full_response[field] for field in response.get("required", [])})


def answer_to(action: str, payload: Payload) -> tuple[type[AnswerError] | None, str]:
    try:
        ocpp16.check_request(action, payload)
    except AnswerError as error:
        return type(error), error.description.partition(": ")[0]
    return None, ""


@pytest.mark.parametrize("action", REQUESTS)
def test_each_rule_of_a_request_has_its_code_and_its_place(action: str) -> None:
    found = {breach.name: answer_to(action, breach.payload) for breach in breaches(action)}
    assert found == {
        breach.name: (breach.error, f"{action}.{'/'.join(map(str, breach.place))}".rstrip("."))
        for breach in breaches(action)
    }


@pytest.mark.parametrize("action", REQUESTS)
def test_each_rule_of_a_result_is_kept(action: str) -> None:
    for breach in breaches(f"{action}Response"):
        with pytest.raises(BadResultError, match=f"not one of {action}"):
            ocpp16.check_result(action, breach.payload)


def test_every_kind_of_rule_is_among_those_broken() -> None:
    broken = {breach.error for action in REQUESTS for breach in breaches(action)}
    assert broken == {
        MissingFieldError,
        MalformedPayloadError,
        WrongTypeError,
        BadValueError,
        BadOccurrenceError,
    }


@pytest.mark.parametrize("action", ["", "authorize", "Authorise", "AuthorizeResponse", "x" * 60_000])
def test_an_unknown_action_is_told_so_in_few_words(action: str) -> None:
    with pytest.raises(UnknownActionError) as caught:
        ocpp16.check_request(action, {})
    assert len(caught.value.description) < 100


@pytest.mark.parametrize(
    ("payload", "error", "description"),
    [
        ({"connectorId": "1", "more": 1}, MissingFieldError, 'StartTransaction: "idTag"'),
        (
            {"connectorId": "1", "idTag": "x" * 21, "meterStart": 1, "timestamp": "x", "more": 1},
            MalformedPayloadError,
            "StartTransaction: ",
        ),
        (
            {"timestamp": 1, "meterStart": "1", "idTag": "x" * 21, "connectorId": "1"},
            WrongTypeError,
            "StartTransaction.connectorId: ",
        ),
        (
            {"timestamp": "x", "meterStart": 1, "idTag": "x" * 21, "connectorId": 1},
            BadValueError,
            "StartTransaction.idTag: ",
        ),
    ],
)
def test_of_several_faults_always_the_same_is_answered(
    payload: Payload, error: type[AnswerError], description: str
) -> None:
    for shuffled in (payload, dict(reversed(payload.items()))):
        with pytest.raises(AnswerError) as caught:
            ocpp16.check_request("StartTransaction", shuffled)
        assert type(caught.value) is error
        assert caught.value.description.startswith(description)


def test_an_error_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(BadValueError) as request:
        ocpp16.check_request("Authorize", {"idTag": "SECRET-TAG-OF-A-DRIVER"})
    with pytest.raises(BadResultError) as result:
        ocpp16.check_result("Authorize", {"idTagInfo": {"status": "SECRET"}})
    assert "SECRET" not in f"{request.value} {result.value}"
    assert "longer than 20" in str(request.value)


def test_what_is_nested_beyond_the_validator_is_malformed() -> None:
    deep: Payload = {}
    for _ in range(1000):
        deep = {"a": deep}
    with pytest.raises(MalformedPayloadError, match="nested too deeply"):
        ocpp16.check_request("DataTransfer", {"vendorId": deep})
    with pytest.raises(BadResultError, match="nested too deeply"):
        ocpp16.check_result("DataTransfer", {"status": "Accepted", "data": deep})


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e30])
def test_numbers_that_are_none_have_the_wrong_type(value: float) -> None:
    request = {"connectorId": 1, "idTag": "A", "meterStart": value, "timestamp": VALUES["date-time"]}
    with pytest.raises(WrongTypeError):
        ocpp16.check_request("StartTransaction", request)


def test_the_enumerations_that_services_use_are_those_of_the_standard() -> None:
    assert ocpp16.AuthorizationStatus.concurrent_tx == "ConcurrentTx"
    assert ocpp16.ChargePointStatus.suspended_ev == "SuspendedEV"
    assert ocpp16.ChargePointErrorCode.no_error == "NoError"
    assert ocpp16.Reason.de_authorized == "DeAuthorized"
    assert (ocpp16.SUBPROTOCOL, ocpp16.WINDOWED_SUBPROTOCOL) == ("ocpp1.6", "nap1.ocpp1.6")


def test_every_action_is_somebodys_to_ask() -> None:
    assert ocpp16.FROM_CHARGE_POINT | ocpp16.FROM_CENTRAL_SYSTEM == ocpp16.ACTIONS
    both = ocpp16.FROM_CHARGE_POINT & ocpp16.FROM_CENTRAL_SYSTEM
    assert both == {"DataTransfer"}


def test_a_schema_is_the_callers_own() -> None:
    ocpp16.request_schema("Authorize").clear()
    assert ocpp16.request_schema("Authorize")["required"] == ["idTag"]
    assert ocpp16.result_schema("Authorize")["required"] == ["idTagInfo"]
