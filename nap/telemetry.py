"""What the hub shows of itself: metrics for Prometheus, and its health."""

import http
import json
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The hub's counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._authorizations = Counter(
            "nap_authorizations", "Answered", ["status", "decided_by"], registry=self.registry
        )
        self._authorization_seconds = Histogram(
            "nap_authorization_seconds", "From CALL to answer", buckets=SECONDS, registry=self.registry
        )
        self.cdrs = Counter("nap_cdrs", "By what became of them", ["stage"], registry=self.registry)
        self.links = Gauge("nap_links", "Operators linked now", registry=self.registry)

        self._authorizations_by: dict[tuple[str, str], Counter] = {}

    def authorized(self, status: str, decided_by: str, seconds: float) -> None:
        """Count an authorization that was answered.

        Args:
            status: the answer, of which there are few.
            decided_by: hub, home or none.
            seconds: from the CALL to the answer.
        """
        counter = self._authorizations_by.get((status, decided_by))
        if counter is None:
            counter = self._authorizations.labels(status, decided_by)
            self._authorizations_by[status, decided_by] = counter
        counter.inc()
        self._authorization_seconds.observe(seconds)

    def expose(self, host: str, port: int) -> Callable[[], None]:
        """Serve them over HTTP; returns how to stop.

        Raises:
            OSError: the address cannot be had.
        """
        server, thread = start_http_server(port, host, registry=self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop


class Health:
    """Whether the hub takes operators now."""

    def __init__(self, links: Callable[[], int]) -> None:
        self._links = links
        self._draining = False

    def drain(self) -> None:
        """The hub is about to stop."""
        self._draining = True

    def page(self) -> tuple[http.HTTPStatus, str]:
        """`/health`: 200 while the hub serves, 503 while it drains."""
        status = http.HTTPStatus.SERVICE_UNAVAILABLE if self._draining else http.HTTPStatus.OK
        body = {"status": "draining" if self._draining else "ok", "linked_operators": self._links()}
        return status, json.dumps(body)
