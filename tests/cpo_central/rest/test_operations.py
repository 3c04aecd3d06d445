import orjson
import pytest

from cascade.ocpp16 import FROM_CENTRAL_SYSTEM, check_request
from cpo_central.rest.api_keys import Role
from cpo_central.rest.operations import OPERATIONS, Operation, request_schema, result_schema

OF_THE_PAPER = {
    *("change-availability", "change-configuration", "clear-cache", "get-configuration"),
    *("start-transaction", "stop-transaction", "reset", "unlock-connector"),
}
"""Tables 10 to 17."""


def test_there_is_one_for_every_action_that_a_central_system_may_ask() -> None:
    assert {operation.action for operation in OPERATIONS} == FROM_CENTRAL_SYSTEM
    assert len({operation.path for operation in OPERATIONS}) == len(OPERATIONS) == len(FROM_CENTRAL_SYSTEM)
    assert {operation.path for operation in OPERATIONS} >= OF_THE_PAPER


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.path)
def test_its_example_is_a_request_of_the_action(operation: Operation) -> None:
    check_request(operation.action, operation.example)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.path)
def test_its_schemas_stand_alone(operation: Operation) -> None:
    for schema in (request_schema(operation.action), result_schema(operation.action)):
        assert schema["type"] == "object"
        text = orjson.dumps(schema).decode()
        assert "$ref" not in text
        assert "$schema" not in text


def test_what_it_refers_to_stands_where_it_did() -> None:
    hashes = request_schema("DeleteCertificate")["properties"]["certificateHashData"]
    assert hashes["properties"]["hashAlgorithm"]["enum"] == ["SHA256", "SHA384", "SHA512"]
    assert set(request_schema("ClearChargingProfile")["properties"]) >= {"id", "stackLevel"}


def test_who_may_only_read_changes_nothing() -> None:
    assert {operation.path for operation in OPERATIONS if operation.role is Role.READ} == {
        *("get-configuration", "get-composite-schedule"),
        *("get-installed-certificate-ids", "get-local-list-version"),
    }
