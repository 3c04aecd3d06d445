import pytest

from cascade.errors import BadOccurrenceError
from cascade.ocpp16 import check_result
from chargepoint_model.configuration import Configuration
from chargepoint_model.keys import KEYS, MAX_KEYS


def test_all_keys_are_read_where_none_is_named() -> None:
    answer = Configuration(3).read([])
    check_result("GetConfiguration", answer)
    assert {key["key"] for key in answer["configurationKey"]} == set(KEYS)
    assert {"key": "NumberOfConnectors", "readonly": True, "value": "3"} in answer["configurationKey"]


def test_keys_are_named_in_any_case_and_unknown_ones_are_told_apart() -> None:
    answer = Configuration(1).read(["HEARTBEATinterval", "Colour", "HeartbeatInterval"])
    assert answer == {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
        "unknownKey": ["Colour"],
    }


def test_more_keys_than_may_be_named() -> None:
    with pytest.raises(BadOccurrenceError, match="GetConfigurationMaxKeys"):
        Configuration(1).read(["Colour"] * (MAX_KEYS + 1))


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("HeartbeatInterval", "60", "Accepted"),
        ("heartbeatinterval", "60", "Accepted"),
        ("HeartbeatInterval", "0", "Rejected"),
        ("MeterValuesSampledData", "Voltage", "Accepted"),
        ("MeterValuesSampledData", "Colour", "Rejected"),
        ("LocalPreAuthorize", "TRUE", "Accepted"),
        ("LocalPreAuthorize", "yes", "Rejected"),
        ("ConnectorPhaseRotation", "0.RST,1.TRS", "Accepted"),
        ("ConnectorPhaseRotation", "0.XYZ", "Rejected"),
        ("NumberOfConnectors", "9", "Rejected"),
        ("AuthorizationKey", "short", "Rejected"),
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


def test_a_secret_is_kept_and_never_shown() -> None:
    configuration = Configuration(1)
    assert configuration.change("AuthorizationKey", "0123456789abcdef") == "Accepted"
    assert configuration.text("AuthorizationKey") == "0123456789abcdef"
    shown = configuration.read(["AuthorizationKey"])["configurationKey"]
    assert shown == [{"key": "AuthorizationKey", "readonly": False}]
    assert "0123456789abcdef" not in str(configuration.read([]))


def test_what_needs_a_reboot_waits_for_it() -> None:
    configuration = Configuration(1)
    assert configuration.change("SecurityProfile", "1") == "Rejected", "there is no credential yet"
    configuration.change("AuthorizationKey", "0123456789abcdef")
    assert configuration.change("SecurityProfile", "2") == "RebootRequired"
    assert configuration.number("SecurityProfile") == 0
    configuration.restart()
    assert configuration.number("SecurityProfile") == 2
    assert configuration.change("SecurityProfile", "1") == "Rejected", "it is never lowered"


def test_what_keys_mean() -> None:
    configuration = Configuration(1)
    assert configuration.flag("LocalAuthorizeOffline")
    assert not configuration.flag("LocalPreAuthorize")
    assert configuration.names("StopTxnSampledData") == []
    assert configuration.names("MeterValuesAlignedData") == ["Energy.Active.Import.Register"]
    configuration.set("HeartbeatInterval", 10**12)
    assert configuration.number("HeartbeatInterval") == 2**31 - 1
