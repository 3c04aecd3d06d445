from datetime import UTC, datetime

from cascade.ocpp16 import check_request
from chargepoint_model.measurands import MEASURANDS, Reading, meter_value

READING = Reading(datetime(2026, 1, 1, tzinfo=UTC), 7400, 11_040, 22_000)


def test_every_measurand_is_in_the_standard() -> None:
    for context in ("Sample.Periodic", "Sample.Clock", "Trigger", "Transaction.Begin", "Transaction.End"):
        value = meter_value(READING, MEASURANDS, context)
        check_request("MeterValues", {"connectorId": 1, "meterValue": [value]})


def test_what_is_read() -> None:
    sampled = meter_value(READING, MEASURANDS, "Trigger")["sampledValue"]
    assert {one["measurand"]: (one["value"], one["unit"]) for one in sampled} == {
        "Energy.Active.Import.Register": ("7400", "Wh"),
        "Power.Active.Import": ("11040", "W"),
        "Power.Offered": ("22000", "W"),
        "Current.Import": ("16.0", "A"),
        "Current.Offered": ("31.9", "A"),
        "Voltage": ("230", "V"),
    }


def test_a_meter_value_is_never_empty() -> None:
    (only,) = meter_value(READING, [], "Trigger")["sampledValue"]
    assert only["measurand"] == "Energy.Active.Import.Register"
