"""Payloads made from the standard's schemas: right ones, and ones with a single fault."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import orjson

from cascade.frames import Payload
from chargepoint_model.conformance.model import Values

Schema = dict[str, Any]
Place = tuple[str | int, ...]

CODES = {
    "required": "ProtocolError",
    "additionalProperties": "FormationViolation",
    "type": "TypeConstraintViolation",
    "minItems": "OccurenceConstraintViolation",
    "enum": "PropertyConstraintViolation",
    "maxLength": "PropertyConstraintViolation",
    "format": "PropertyConstraintViolation",
    "multipleOf": "PropertyConstraintViolation",
}
"""The CALLERROR code for each keyword of a schema that can be violated (OCPP-J 1.6, section 4.2.3)."""

UNHEARD_OF = "unheardOf"
UNLISTED = "Unlisted"

SCALARS: dict[str, object] = {"string": "x", "boolean": True, "integer": 1, "number": 1}

STRANGERS: dict[str, tuple[object, ...]] = {
    "string": (1, 1.5, True, None, [], {}),
    "integer": ("1", 1.5, 1.0, True, None, [], {}),
    "number": ("1", True, None, [], {}),
    "boolean": ("true", 0, 1, None, [], {}),
    "array": ("x", 1, True, None, {}),
    "object": ("x", 1, True, None, []),
}
"""Values of other types, by the type that a schema wants; those that a careless receiver coerces among them."""

BAD_FORMATS = {
    "date-time": ("yesterday", "2026-01-31T23:59:59", "2026-02-30T00:00:00Z"),
    "uri": ("not a uri",),
}
"""No date at all, one without a zone, a day that does not exist (RFC 3339, section 5.6)."""


class Variant(NamedTuple):
    """A payload."""

    name: str
    payload: Payload
    violates: str | None
    """The keyword of the schema that it violates; None: it is right."""


def complete(schema: Schema, values: Values) -> Payload:
    """A right payload with every field.

    Args:
        schema: of a request or result.
        values: for fields by name, where it matters.
    """
    payload: Payload = _sample(schema, schema, values, "")
    return payload


def required_only(schema: Schema, values: Values) -> Payload:
    """A right payload without any optional field, at any depth."""
    payload: Payload = _sample(schema, schema, values, "", optional=False)
    return payload


def variants(schema: Schema, values: Values) -> Iterator[Variant]:
    """Every right payload that differs in one value of an enumeration, and every one with a single fault."""
    return _Variants(schema, values).all()


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference: str | None = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return _resolved(found, root)


def _sample(schema: Schema, root: Schema, values: Values, name: str, *, optional: bool = True) -> Any:  # noqa: ANN401 - JSON
    schema = _resolved(schema, root)
    if "enum" in schema:
        return schema["enum"][0]
    if name in values and schema["type"] not in {"array", "object"}:
        return values[name]
    match schema["type"]:
        case "object":
            required = schema.get("required", [])
            return {
                field: _sample(inner, root, values, field, optional=optional)
                for field, inner in schema.get("properties", {}).items()
                if optional or field in required
            }
        case "array":
            return [_sample(schema["items"], root, values, name, optional=optional)]
        case scalar:
            return SCALARS[scalar]


class _Variants:
    """The variants of one schema's complete payload."""

    def __init__(self, root: Schema, values: Values) -> None:
        self._root = root
        self._good = complete(root, values)
        self._coerces_floats = "draft-04" not in root.get("$schema", "")

    def all(self) -> Iterator[Variant]:
        if self._root.get("required"):
            yield Variant("nothing", {}, "required")
        yield from self._of(self._root, ())

    def _of(self, schema: Schema, place: Place) -> Iterator[Variant]:
        schema = _resolved(schema, self._root)
        if place:
            yield from self._strangers(schema, place)
        yield from self._values(schema, place)
        if schema["type"] == "array":
            if "minItems" in schema:
                yield self._put(place, [], "minItems", "empty")
            yield from self._of(schema["items"], (*place, 0))
        if schema["type"] == "object":
            yield from self._fields(schema, place)

    def _strangers(self, schema: Schema, place: Place) -> Iterator[Variant]:
        for value in STRANGERS[schema["type"]]:
            # a float without a fraction is an integer from draft 6 on, and is none in draft 4
            if not (isinstance(value, float) and value.is_integer() and self._coerces_floats):
                yield self._put(place, value, "type")

    def _values(self, schema: Schema, place: Place) -> Iterator[Variant]:
        if "enum" in schema:
            for value in schema["enum"]:
                if value != _at(self._good, place):
                    yield self._put(place, value, None)
            yield self._put(place, UNLISTED, "enum")
        if "maxLength" in schema:
            longest = "x" * schema["maxLength"]
            yield self._put(place, longest + "x", "maxLength", "one character too long")
        for value in BAD_FORMATS.get(schema.get("format", ""), ()):
            yield self._put(place, value, "format")
        if "multipleOf" in schema:
            yield self._put(place, 0.15, "multipleOf")

    def _fields(self, schema: Schema, place: Place) -> Iterator[Variant]:
        for field in schema.get("required", []):
            yield self._change((*place, field), lambda parent, step: parent.pop(step), "required", "missing")
        if schema.get("additionalProperties") is False:
            yield self._put((*place, UNHEARD_OF), 1, "additionalProperties", "added")
        for field, inner in schema.get("properties", {}).items():
            yield from self._of(inner, (*place, field))

    def _put(self, place: Place, value: object, violates: str | None, what: str | None = None) -> Variant:
        return self._change(
            place,
            lambda parent, step: parent.__setitem__(step, value),
            violates,
            what or f"= {orjson.dumps(value).decode()}",
        )

    def _change(
        self, place: Place, change: Callable[[Any, Any], object], violates: str | None, what: str
    ) -> Variant:
        payload = deepcopy(self._good)
        change(_at(payload, place[:-1]), place[-1])
        return Variant(f"{'.'.join(map(str, place))} {what}", payload, violates)


def _at(payload: Any, place: Place) -> Any:  # noqa: ANN401 - JSON
    for step in place:
        payload = payload[step]
    return payload
