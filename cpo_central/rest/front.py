"""What stands in front of the application: whole path segments, bounded bodies, and a line in the log."""

import time
from urllib.parse import quote, unquote

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cpo_central.rest.problems import Kind, ProblemError, response

MAX_BODY = 2**20
"""The largest body taken, in bytes."""

log = structlog.get_logger()


def canonical(raw_path: bytes) -> str:
    """A path whose segments are percent-encoded in one way only.

    The application shall see them so: the decoded path does not tell the slash in an id from one between ids.
    """
    return "/".join(quote(unquote(segment), safe="") for segment in raw_path.decode("latin-1").split("/"))


class Front:
    """Serves an application.

    The log names the route and not the path, in which there may be idTags.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        began, status = time.perf_counter(), 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        scope["path"] = canonical(scope["raw_path"])
        app = _refuse if _declares_too_much(scope) else self._app
        try:
            await app(scope, receive, note_status)
        except Exception:
            # it has been answered, if that was still possible; the server would print it as text
            log.exception("rest_failed")
        finally:
            log.info(
                "rest",
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                charge_point=unquote(scope.get("path_params", {}).get("charge_point_id", "")) or None,
                key=scope.get("api_key"),
                status=status,
                ms=round((time.perf_counter() - began) * 1000, 3),
            )


def _declares_too_much(scope: Scope) -> bool:
    length = Headers(scope=scope).get("Content-Length", "0")
    return length.isdecimal() and int(length) > MAX_BODY


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as FastAPI would a body whose length was not declared, and not in plain text."""
    too_large = ProblemError(Kind.TOO_LARGE, f"send at most {MAX_BODY} bytes at once")
    await response(too_large)(scope, receive, send)
