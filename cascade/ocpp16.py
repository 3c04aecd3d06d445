"""The OCPP 1.6 vocabulary: the actions, and validators compiled once from the standard's JSON schemas.

The schemas are those that the `ocpp` package ships; this is its only importer. Validation is strict: `"1"`
is not an integer. Which violation gets which CALLERROR code is OCPP-J 1.6, section 4.2.3.
"""

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema_rs
import orjson

from cascade import errors
from cascade.frames import Payload

if TYPE_CHECKING:
    from ocpp.v16.enums import AuthorizationStatus, ChargePointErrorCode, ChargePointStatus, Reason

__all__ = [
    "ACTIONS",
    "FROM_CENTRAL_SYSTEM",
    "FROM_CHARGE_POINT",
    "SUBPROTOCOL",
    "WINDOWED_SUBPROTOCOL",
    "AuthorizationStatus",
    "ChargePointErrorCode",
    "ChargePointStatus",
    "Reason",
    "check_request",
    "check_result",
    "request_schema",
    "result_schema",
]

SUBPROTOCOL = "ocpp1.6"
"""Plain OCPP-J: one CALL in flight each way."""

WINDOWED_SUBPROTOCOL = "nap1.ocpp1.6"
"""The same frames with a window of calls in flight; offered first on hub and peer links."""


def _locate() -> Path:
    """The OCPP 1.6 part of the `ocpp` package.

    Its files are read without importing it: that would bring its ChargePoint class and Python's jsonschema,
    which take longer to import than everything else in this module.
    """
    spec = find_spec("ocpp")
    assert spec is not None, "a dependency of this distribution"
    assert spec.submodule_search_locations is not None, "a package"
    return Path(spec.submodule_search_locations[0]) / "v16"


_V16 = _locate()

if not TYPE_CHECKING:  # pragma: no branch - never true at run time
    _spec = spec_from_file_location("ocpp_v16_enums", _V16 / "enums.py")
    _enums = module_from_spec(_spec)
    _spec.loader.exec_module(_enums)
    AuthorizationStatus = _enums.AuthorizationStatus
    ChargePointErrorCode = _enums.ChargePointErrorCode
    ChargePointStatus = _enums.ChargePointStatus
    Reason = _enums.Reason


def _compile() -> tuple[dict[str, jsonschema_rs.Draft4Validator], dict[str, jsonschema_rs.Draft4Validator]]:
    requests, results = {}, {}
    for file in (_V16 / "schemas").glob("*.json"):
        name = file.stem
        # masked: what a driver or a charger sent has no place in an error's text, which ends up in logs
        validator = jsonschema_rs.Draft4Validator(_schema(name), validate_formats=True, mask="the value")
        if name.endswith("Response"):
            results[name.removesuffix("Response")] = validator
        else:
            requests[name] = validator
    return requests, results


def _schema(name: str) -> Payload:
    schema: Payload = orjson.loads((_V16 / "schemas" / f"{name}.json").read_bytes())
    return schema


_REQUESTS, _RESULTS = _compile()

ACTIONS = frozenset(_REQUESTS)
"""Every action of OCPP 1.6 and its security extension."""

FROM_CHARGE_POINT = frozenset({
    *("Authorize", "BootNotification", "DataTransfer", "Heartbeat", "MeterValues"),
    *("StartTransaction", "StatusNotification", "StopTransaction"),
    *("DiagnosticsStatusNotification", "FirmwareStatusNotification"),
    *("LogStatusNotification", "SecurityEventNotification", "SignCertificate"),
    "SignedFirmwareStatusNotification",
})  # fmt: skip
"""What a charge point may ask (OCPP 1.6, section 4; security whitepaper, edition 2, section 4)."""

FROM_CENTRAL_SYSTEM = (ACTIONS - FROM_CHARGE_POINT) | {"DataTransfer"}
"""What a central system may ask (OCPP 1.6, section 5)."""

_BY_KEYWORD: dict[str, type[errors.AnswerError]] = {
    "required": errors.MissingFieldError,
    "additionalProperties": errors.MalformedPayloadError,
    "type": errors.WrongTypeError,
    "minItems": errors.BadOccurrenceError,
    "maxItems": errors.BadOccurrenceError,
}
_SEVERITY = list(_BY_KEYWORD)
"""Of several violations the first in this order is answered, so that the answer does not depend on chance."""


def _worst(
    validator: jsonschema_rs.Draft4Validator, payload: Payload
) -> tuple[type[errors.AnswerError], str] | None:
    """What is wrong with a payload, if anything: the CALLERROR that it gets, and where and why."""
    try:
        if validator.is_valid(payload):
            return None
        violations = [
            (_rank(violation), "/".join(map(str, violation.instance_path)), violation.message)
            for violation in validator.iter_errors(payload)
        ]
    except ValueError:  # the validator has a limit to its depth, far beyond any message of the standard
        return errors.MalformedPayloadError, ": it is nested too deeply"
    rank, place, message = min(violations)
    kind = _BY_KEYWORD[_SEVERITY[rank]] if rank < len(_SEVERITY) else errors.BadValueError
    return kind, f"{f'.{place}' if place else ''}: {message}"


def _rank(violation: jsonschema_rs.ValidationError) -> int:
    keyword = violation.kind.name
    return _SEVERITY.index(keyword) if keyword in _SEVERITY else len(_SEVERITY)


def request_schema(action: str) -> Payload:
    """The standard's JSON schema (draft 4) of an action's request: a copy of the caller's own.

    Args:
        action: one of `ACTIONS`.
    """
    return _schema(action)


def result_schema(action: str) -> Payload:
    """The standard's JSON schema (draft 4) of an action's result: a copy of the caller's own.

    Args:
        action: one of `ACTIONS`.
    """
    return _schema(f"{action}Response")


def check_request(action: str, payload: Payload) -> None:
    """Check a CALL's payload.

    Raises:
        UnknownActionError: the action is not in the vocabulary.
        AnswerError: the payload is not one of the action; the class carries the CALLERROR code.
    """
    validator = _REQUESTS.get(action)
    if validator is None:
        raise errors.UnknownActionError(f"{action[:50]} is not an action of OCPP 1.6")
    worst = _worst(validator, payload)
    if worst is not None:
        kind, fault = worst
        raise kind(f"{action}{fault}")


def check_result(action: str, payload: Payload) -> None:
    """Check the payload of a CALLRESULT against the action that was called.

    Raises:
        BadResultError: it is not a result of the action.
    """
    worst = _worst(_RESULTS[action], payload)
    if worst is not None:
        _, fault = worst
        raise errors.BadResultError(f"the peer's result is not one of {action}{fault}")
