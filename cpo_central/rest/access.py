"""Who may do what: an API key with a role, in one of two headers."""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from cpo_central.rest.api_keys import Role
from cpo_central.rest.parts import Given
from cpo_central.rest.problems import Kind, ProblemError, responses

HOW = "`cpo-central api-keys add NAME --role operate` makes one."

GENERAL = (
    *(Kind.NO_KEY, Kind.ROLE_TOO_SMALL, Kind.TOO_LARGE, Kind.INVALID),
    *(Kind.INTERNAL, Kind.STORE_FAILED),
)
"""What may go wrong with every operation that needs a key."""

_HEADER = APIKeyHeader(name="X-API-Key", scheme_name="apiKey", auto_error=False, description=HOW)
_BEARER = HTTPBearer(scheme_name="bearer", auto_error=False, description=HOW)


def protected(role: Role, *kinds: Kind) -> dict[str, Any]:
    """The options of an operation that needs a key.

    Args:
        role: the smallest role that may do it.
        kinds: its errors, besides those of every operation that needs a key.
    """
    return {
        "dependencies": [Depends(_needs(role))],
        "responses": responses(*GENERAL, *kinds),
        "openapi_extra": {"x-role": role.value},
    }


def _needs(role: Role) -> Any:  # noqa: ANN401 - what FastAPI takes as a dependency
    async def check(
        request: Request,
        parts: Given,
        header: Annotated[str | None, Security(_HEADER)],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    ) -> None:
        shown = header or (bearer.credentials if bearer is not None else None)
        if shown is None:
            raise ProblemError(Kind.NO_KEY, "send your API key in the header X-API-Key, or as a Bearer token")
        key = parts.keys.find(shown)
        if key is None:
            raise ProblemError(Kind.NO_KEY, "this API key is not, or no longer, one of ours: ask for another")
        request.scope["api_key"] = key.name
        if not key.role.covers(role):
            raise ProblemError(
                Kind.ROLE_TOO_SMALL, f"this needs the role {role}, {key.name} has {key.role}: ask for another"
            )

    return check
