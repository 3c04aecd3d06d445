"""The interface as a whole: its operations, its errors, and its OpenAPI description."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import compile_path
from starlette.types import ASGIApp

from cpo_central.rest import (
    cdrs,
    charge_points,
    clients,
    energy,
    health,
    keys,
    live,
    local_lists,
    problems,
    tokens,
    transactions,
    users,
)
from cpo_central.rest.front import MAX_BODY, Front
from cpo_central.rest.parts import Parts

TITLE, VERSION = "cpo-central", "1"

DESCRIPTION = """The central system of a charge point operator.

Every operation but /health needs an API key, in the header `X-API-Key` or as a Bearer token; `x-role` names the
smallest role: read, operate or admin. Errors are problem details (RFC 9457). Moments are ISO 8601 with a time
zone, energy is in Wh."""

TAGS = {
    "commands": "Commands to connected charge points.",
    "charge points": "What is known of charge points.",
    "tokens": "The tokens of our own drivers.",
    "users": "The people who charge.",
    "transactions": "Transactions and meter values.",
    "energy": "Energy by day, charge point and token.",
    "cdrs": "Charge Detail Records, sent and received.",
    "events": "Live status.",
    "api-keys": "Who may use this interface.",
    "health": "Whether we are there.",
}


def create(parts: Parts) -> ASGIApp:
    """The interface to a central system, for a server to serve."""
    app = _application()
    app.state.parts = parts
    # FastAPI builds its routes when they are first looked at: now, and not when a charger would have to wait
    description = _describe(app)
    app.state.methods = [
        (compile_path(path)[0], ", ".join(sorted(method.upper() for method in operations)))
        for path, operations in description["paths"].items()
    ]
    app.openapi = lambda: description  # type: ignore[method-assign] # FastAPI's own way to replace it
    return Front(app)


def describe() -> dict[str, Any]:
    """The OpenAPI description, as it is served at /openapi.json."""
    return _describe(_application())


def _application() -> FastAPI:
    app = FastAPI(title=TITLE, version=VERSION, redoc_url=None, redirect_slashes=False, max_body_size=MAX_BODY)
    problems.handle(app)
    for module in (
        *(clients, local_lists, charge_points, tokens, users, transactions),
        *(energy, cdrs, live, keys, health),
    ):
        app.include_router(module.router)
    return app


def _describe(app: FastAPI) -> dict[str, Any]:
    """FastAPI's own description does not know our errors."""
    document: dict[str, Any] = get_openapi(
        title=TITLE,
        version=VERSION,
        description=DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
    return document
