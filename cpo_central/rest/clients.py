"""Commands to connected charge points: the paper's Tables 9 to 17, and the rest of OCPP 1.6 likewise."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from cascade.errors import MalformedPayloadError
from cascade.frames import Payload
from cpo_central.rest.access import protected
from cpo_central.rest.api_keys import Role
from cpo_central.rest.operations import OPERATIONS, Operation, request_schema, result_schema
from cpo_central.rest.parts import ChargePointIdPath, Given
from cpo_central.rest.problems import Kind

router = APIRouter(prefix="/api/v1/central-system/clients", tags=["commands"])

CALL_PROBLEMS = (
    *(Kind.UNKNOWN_CHARGE_POINT, Kind.NOT_CONNECTED, Kind.NOT_ACCEPTED),
    *(Kind.CALL_ERROR, Kind.BAD_RESULT, Kind.LINK_LOST, Kind.SILENT),
)

Timeout = Annotated[
    float | None,
    Query(ge=0.1, le=300, description="Seconds, of waiting for calls before it too; or CPO_CALL_TIMEOUT_S."),
]


@router.get("", summary="The ids of the charge points that are connected now", **protected(Role.READ))
async def connected(parts: Given) -> list[str]:
    """In alphabetical order."""
    return parts.chargers.connected()


def _command(operation: Operation) -> Callable[..., Awaitable[Response]]:
    async def command(
        request: Request, parts: Given, charge_point_id: ChargePointIdPath, timeout_s: Timeout = None
    ) -> Response:
        payload = _payload(await request.body())
        result = await parts.chargers.call(charge_point_id, operation.action, payload, timeout_s=timeout_s)
        return Response(orjson.dumps(result), media_type="application/json")

    return command


def _payload(body: bytes) -> Payload:
    """The payload in a body; none is one without fields."""
    try:
        payload = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        raise MalformedPayloadError(f"the body is not JSON: {error}") from None
    if not isinstance(payload, dict):
        raise MalformedPayloadError("the body is not a JSON object")
    return payload


def _options(operation: Operation) -> dict[str, Any]:
    """How an operation is protected and described: its body and its answer are the standard's."""
    options = protected(operation.role, *CALL_PROBLEMS)
    request, result = request_schema(operation.action), result_schema(operation.action)
    options["openapi_extra"]["requestBody"] = {
        "required": "required" in request,
        "content": {"application/json": {"schema": request, "example": operation.example}},
    }
    options["responses"][200] = {
        "description": "What the charge point answered.",
        "content": {"application/json": {"schema": result}},
    }
    return options


for _operation in OPERATIONS:
    router.add_api_route(
        f"/{{charge_point_id}}/{_operation.path}",
        _command(_operation),
        methods=["POST"],
        operation_id=_operation.path,
        summary=_operation.summary,
        description=f"{_operation.action} of OCPP 1.6: the body is its request, the answer its result.",
        response_class=Response,
        **_options(_operation),
    )
