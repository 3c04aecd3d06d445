from datetime import UTC, datetime

import orjson
import pytest

from benchmarks.baselines.ocpi import authorization, ocpp_status

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("uid", "allowed", "status"), [("ANNA", "ALLOWED", "Accepted"), ("DENY-1", "NOT_ALLOWED", "Invalid")]
)
def test_an_answer_and_what_the_charge_point_is_told(uid: str, allowed: str, status: str) -> None:
    body = authorization(uid, NOW)
    answer = orjson.loads(body)
    assert answer["data"]["allowed"] == allowed
    assert answer["data"]["token"]["uid"] == uid
    assert answer["timestamp"] == "2026-01-02T03:04:05Z"
    assert ocpp_status(body) == status


def test_a_failure_is_no_acceptance() -> None:
    body = orjson.loads(authorization("ANNA", NOW)) | {"status_code": 2004}
    assert ocpp_status(orjson.dumps(body)) == "Invalid"
