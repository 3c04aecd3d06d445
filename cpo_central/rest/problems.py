"""Errors as problem details (RFC 9457): what is wrong, whose doing it is, and what to do about it."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from cascade.errors import (
    AnswerError,
    BadResultError,
    CallTimeoutError,
    CascadeError,
    LinkLostError,
    PeerError,
    StoreError,
)
from cpo_central.chargers.errors import NotAcceptedError, NotConnectedError, UnknownChargePointError
from cpo_central.drivers.users import UserConflictError

MEDIA_TYPE = "application/problem+json"

TYPE_PREFIX = "urn:problem-type:cpo-central:"

log = structlog.get_logger()


class _Sort(NamedTuple):
    status: int
    title: str


class Kind(Enum):
    """The problems that there are: the name is the last word of `type`."""

    NO_KEY = _Sort(401, "No valid API key")
    ROLE_TOO_SMALL = _Sort(403, "The API key's role does not allow this")
    NOT_FOUND = _Sort(404, "There is no such thing")
    UNKNOWN_CHARGE_POINT = _Sort(404, "The charge point is unknown")
    METHOD_NOT_ALLOWED = _Sort(405, "The method is not allowed here")
    NOT_CONNECTED = _Sort(409, "The charge point is not connected")
    NOT_ACCEPTED = _Sort(409, "The charge point is not accepted")
    CONFLICT = _Sort(409, "This contradicts what is stored")
    TOO_LARGE = _Sort(413, "The body is too large")
    INVALID = _Sort(422, "The request is not valid")
    INTERNAL = _Sort(500, "A fault of this service")
    CALL_ERROR = _Sort(502, "The charge point answered with an error")
    BAD_RESULT = _Sort(502, "The charge point's answer is not one of OCPP 1.6")
    LINK_LOST = _Sort(502, "The charge point's link was lost")
    STORE_FAILED = _Sort(503, "The database cannot be used")
    SILENT = _Sort(504, "The charge point did not answer in time")

    @property
    def slug(self) -> str:
        """The last word of `type`."""
        return self.name.lower().replace("_", "-")


class Fault(BaseModel):
    """One fault of a request."""

    place: str
    """Where: `body/idTag`, `query/limit`, or `line 3` of a CSV file."""
    fault: str


class Problem(BaseModel):
    """A problem detail (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    """What is wrong, and what to do about it."""
    code: str | None = None
    """OCPP's error code, where there is one."""
    errors: list[Fault] | None = None
    """Each fault, where there are several."""


class ProblemError(Exception):
    """Raised to answer with a problem.

    Args:
        kind: which.
        detail: what is wrong, and what to do about it.
        code: OCPP's error code.
        errors: the faults one by one.
    """

    def __init__(
        self, kind: Kind, detail: str, *, code: str | None = None, errors: Sequence[Fault] = ()
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.problem = Problem(
            type=TYPE_PREFIX + kind.slug,
            title=kind.value.title,
            status=kind.value.status,
            detail=detail,
            code=code,
            errors=list(errors) or None,
        )


_LOOK = "the charge point may have acted on it: look how it stands before you ask again"

_OF_OURS: dict[type[CascadeError], tuple[Kind, str | None]] = {
    UnknownChargePointError: (Kind.UNKNOWN_CHARGE_POINT, None),
    NotConnectedError: (Kind.NOT_CONNECTED, None),
    NotAcceptedError: (Kind.NOT_ACCEPTED, None),
    AnswerError: (Kind.INVALID, None),
    PeerError: (Kind.CALL_ERROR, None),
    BadResultError: (Kind.BAD_RESULT, _LOOK),
    LinkLostError: (Kind.LINK_LOST, _LOOK),  # no 503: whatever tries again by itself on that might do it twice
    CallTimeoutError: (Kind.SILENT, _LOOK),
    UserConflictError: (Kind.CONFLICT, None),
    StoreError: (Kind.STORE_FAILED, None),
}
"""What an error of ours is to a client, and what to do where its text does not say so."""


def problem_of(error: CascadeError) -> ProblemError:
    """What an error of ours is to a client."""
    for sort, (kind, advice) in _OF_OURS.items():
        if isinstance(error, sort):
            detail = str(error) if advice is None else f"{error}; {advice}"
            return ProblemError(kind, detail, code=getattr(error, "code", None))
    log.error("rest_failed", exc_info=error)
    return ProblemError(Kind.INTERNAL, "the log says more")


def response(error: ProblemError, headers: dict[str, str] | None = None) -> Response:
    """The answer that says so."""
    if error.kind is Kind.NO_KEY:
        headers = {"WWW-Authenticate": "Bearer"}
    body = orjson.dumps(error.problem.model_dump(exclude_none=True))
    return Response(body, error.problem.status, headers, MEDIA_TYPE)


def responses(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """The errors of an operation, for its OpenAPI description."""
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(kind.value.status, []).append(f"`{kind.slug}`: {kind.value.title}.")
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": " ".join(texts), "content": content} for status, texts in titles.items()}


def handle(app: FastAPI) -> None:
    """Answer every error of an application with a problem."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(CascadeError, _on_ours)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_bug)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return response(error)


async def _on_ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, CascadeError)
    return response(problem_of(error))


_OF_HTTP = {
    404: (Kind.NOT_FOUND, "there is nothing at this path: /docs shows what there is"),
    405: (Kind.METHOD_NOT_ALLOWED, "the header Allow says which methods are: /docs shows what they do"),
    413: (Kind.TOO_LARGE, "send less at once"),
}


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    other = (Kind.INVALID, f"{error.detail}: /docs shows what is expected")
    kind, detail = _OF_HTTP.get(error.status_code, other)
    headers = dict(error.headers or {})
    if kind is Kind.METHOD_NOT_ALLOWED:
        # Starlette names the methods of the first operation that it finds at this path
        found = (methods for path, methods in request.app.state.methods if path.match(request.scope["path"]))
        headers["Allow"] = next(found, headers["Allow"])
    return response(ProblemError(kind, detail), headers)


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [Fault(place="/".join(map(str, fault["loc"])), fault=fault["msg"]) for fault in error.errors()]
    detail = "; ".join(f"{fault.place}: {fault.fault}" for fault in faults)
    return response(ProblemError(Kind.INVALID, detail, errors=faults))


async def _on_bug(_: Request, __: Exception) -> Response:
    """Whoever serves the application logs it: it is raised again after this answer."""
    return response(ProblemError(Kind.INTERNAL, "the log says more"))
