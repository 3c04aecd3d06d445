"""Every payload that is generated violates what it says and nothing else, by another validator's judgement."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, FormatChecker  # type: ignore[import-untyped]  # ships no types

from cascade.frames import Payload
from cascade.ocpp16 import ACTIONS, request_schema, result_schema
from chargepoint_model.conformance import schemas


def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or value in TIMES


def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or value.startswith("ftp://")


CHECKER = FormatChecker(formats=())
CHECKER.checks("date-time")(_is_date_time)
CHECKER.checks("uri")(_is_uri)


NOW = "2026-01-01T00:00:00Z"
TIMES = {NOW}
VALUES = {
    **dict.fromkeys(
        (
            *("timestamp", "expiryDate", "validFrom", "validTo", "startSchedule", "startTime", "stopTime"),
            *("retrieveDate", "retrieveDateTime", "installDateTime", "oldestTimestamp", "latestTimestamp"),
            *("currentTime", "scheduleStart"),
        ),
        NOW,
    ),
    "location": "ftp://127.0.0.1/x",
}


def violated(schema: dict[str, Any], payload: Payload) -> set[str]:
    return {error.validator for error in Draft4Validator(schema, format_checker=CHECKER).iter_errors(payload)}


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_each_variant_violates_what_it_says_and_nothing_else(action: str) -> None:
    schema = request_schema(action)
    for variant in schemas.variants(schema, VALUES):
        found = violated(schema, variant.payload)
        # what has the wrong type is none of the values of an enumeration either
        allowed = {"enum"} if variant.violates == "type" else set()
        assert found - allowed == ({variant.violates} if variant.violates else set()), variant.name


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_complete_and_least_payloads_are_right(action: str) -> None:
    for schema in (request_schema(action), result_schema(action)):
        for payload in (schemas.complete(schema, VALUES), schemas.required_only(schema, VALUES)):
            assert violated(schema, payload) == set()
        assert set(schemas.complete(schema, VALUES)) == set(schema.get("properties", {}))
        assert set(schemas.required_only(schema, VALUES)) == set(schema.get("required", []))


def test_names_are_unique() -> None:
    for action in ACTIONS:
        names = [variant.name for variant in schemas.variants(request_schema(action), VALUES)]
        assert len(names) == len(set(names)), action


def test_what_is_nested_is_reached() -> None:
    names = {variant.name for variant in schemas.variants(request_schema("MeterValues"), VALUES)}
    assert {
        "connectorId missing",
        "meterValue.0.sampledValue.0.value missing",
        "meterValue.0.sampledValue.0.unheardOf added",
        "meterValue.0.sampledValue empty",
        'meterValue.0.sampledValue.0.unit = "kWh"',
        'connectorId = "1"',
        "connectorId = 1.0",
        "connectorId = true",
        "meterValue.0.sampledValue.0.value = 1",
        'meterValue.0.timestamp = "yesterday"',
    } <= names


def test_a_float_without_fraction_is_no_fault_where_the_draft_allows_it() -> None:
    names = {variant.name for variant in schemas.variants(request_schema("GetLog"), VALUES)}
    assert "requestId = 1.5" in names
    assert "requestId = 1.0" not in names


TYPES = st.sampled_from(["string", "integer", "number", "boolean"])
LEAVES = st.one_of(
    st.builds(lambda kind: {"type": kind}, TYPES),
    st.builds(lambda most: {"type": "string", "maxLength": most}, st.integers(1, 40)),
    st.builds(
        lambda values: {"type": "string", "enum": values},
        st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=4, unique=True),
    ),
)


def objects(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def build(fields: dict[str, dict[str, Any]], required: int) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object", "properties": fields, "additionalProperties": False}
        return {**schema, "required": list(fields)[:required]} if fields and required else schema

    return st.builds(
        build, st.dictionaries(st.text("xyz", min_size=1, max_size=3), inner, max_size=4), st.integers(0, 4)
    )


def lists(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda items: {"type": "array", "minItems": 1, "items": items}, inner)


SCHEMAS = objects(
    st.recursive(LEAVES, lambda inner: st.one_of(objects(inner), lists(inner)), max_leaves=8)
).map(lambda schema: {"$schema": "http://json-schema.org/draft-04/schema#", **schema})


@given(SCHEMAS)
def test_any_schema_is_broken_one_rule_at_a_time(schema: dict[str, Any]) -> None:
    assert violated(schema, schemas.complete(schema, {})) == set()
    for variant in schemas.variants(schema, {}):
        found = violated(schema, variant.payload)
        if variant.violates is None:
            assert found == set()
        else:
            assert variant.violates in found
            assert (
                found <= {variant.violates, "enum", "maxLength"}
                if variant.violates == "type"
                else {variant.violates}
            )
