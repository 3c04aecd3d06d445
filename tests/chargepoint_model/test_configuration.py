import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.ocpp16 import check_result
from chargepoint_model.configuration import KEYS, Configuration


def test_all_keys_are_read_where_none_is_named() -> None:
    answer = Configuration(3).read([])
    check_result("GetConfiguration", answer)
    assert {key["key"] for key in answer["configurationKey"]} == set(KEYS)
    assert {"key": "NumberOfConnectors", "readonly": True, "value": "3"} in answer["configurationKey"]


def test_unknown_keys_are_told_apart() -> None:
    answer = Configuration(1).read(["HeartbeatInterval", "Colour"])
    assert answer == {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
        "unknownKey": ["Colour"],
    }


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("HeartbeatInterval", "60", "Accepted"),
        ("MeterValueSampleInterval", "0", "Accepted"),
        ("HeartbeatInterval", "0", "Rejected"),
        ("HeartbeatInterval", "-1", "Rejected"),
        ("HeartbeatInterval", "soon", "Rejected"),
        ("HeartbeatInterval", "", "Rejected"),
        ("HeartbeatInterval", "9" * 500, "Rejected"),
        ("HeartbeatInterval", "٣", "Rejected"),
        ("NumberOfConnectors", "9", "Rejected"),
        ("Colour", "blue", "NotSupported"),
    ],
)
def test_what_may_be_changed(key: str, value: str, status: str) -> None:
    configuration = Configuration(1)
    changed = configuration.changed
    before = configuration.read([])
    assert configuration.change(key, value) == status
    assert changed.is_set() == (status == "Accepted")
    assert (configuration.read([]) == before) == (status != "Accepted")


@given(st.sampled_from(sorted(KEYS)), st.text(max_size=20))
def test_whatever_is_written_a_number_stays_one(key: str, value: str) -> None:
    configuration = Configuration(1)
    configuration.change(key, value)
    least = KEYS[key].least
    assert least is None or configuration.number(key) >= least
