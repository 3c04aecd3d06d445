import http
import json
import socket
import urllib.request

import pytest

from nap.telemetry import Health, Metrics


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def test_metrics_are_served_until_they_are_stopped() -> None:
    metrics = Metrics()
    metrics.authorized("Accepted", "hub", 0.002)
    metrics.cdrs.labels("received").inc(2)
    metrics.links.set(3)
    port = free_port()
    stop = metrics.expose("127.0.0.1", port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    assert 'nap_authorizations_total{decided_by="hub",status="Accepted"} 1.0' in text
    assert 'nap_cdrs_total{stage="received"} 2.0' in text
    assert "nap_links 3.0" in text
    stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            Metrics().expose("127.0.0.1", taken.getsockname()[1])


def test_two_hubs_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.links.inc()
    assert second.registry.get_sample_value("nap_links") == 0


def test_health_is_ok_until_the_hub_drains() -> None:
    health = Health(lambda: 2)
    status, body = health.page()
    assert (status, json.loads(body)) == (http.HTTPStatus.OK, {"status": "ok", "linked_operators": 2})
    health.drain()
    status, body = health.page()
    assert status == http.HTTPStatus.SERVICE_UNAVAILABLE
    assert json.loads(body)["status"] == "draining"
