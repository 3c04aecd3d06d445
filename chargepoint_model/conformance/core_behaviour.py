"""What a charge point must do when it is told to: the Core profile (OCPP 1.6, section 5)."""

from chargepoint_model.conformance.bench import CONNECTOR, Behaviour, Bench, Deviation

NO_SUCH_KEY = "NoSuchKey"
NO_SUCH_CONNECTOR = 9999
NO_SUCH_TRANSACTION = 2**31 - 1

REQUIRED_KEYS = frozenset({
    *("AuthorizeRemoteTxRequests", "ClockAlignedDataInterval", "ConnectionTimeOut", "ConnectorPhaseRotation"),
    *("GetConfigurationMaxKeys", "HeartbeatInterval", "LocalAuthorizeOffline", "LocalPreAuthorize"),
    *("MeterValuesAlignedData", "MeterValuesSampledData", "MeterValueSampleInterval", "NumberOfConnectors"),
    *("ResetRetries", "StopTransactionOnEVSideDisconnect", "StopTransactionOnInvalidId"),
    *("StopTxnAlignedData", "StopTxnSampledData", "SupportedFeatureProfiles"),
    *("TransactionMessageAttempts", "TransactionMessageRetryInterval"),
    "UnlockConnectorOnEVSideDisconnect",
})  # fmt: skip
"""Section 9.1."""


async def _value(bench: Bench, key: str) -> str:
    result = await bench.ask("GetConfiguration", {"key": [key]})
    match result:
        case {"configurationKey": [{"value": str(value)}]}:
            return value
    raise Deviation(f"the value of {key}", f"{result}")


async def _unknown_key(bench: Bench) -> None:
    result = await bench.ask("GetConfiguration", {"key": ["HeartbeatInterval", NO_SUCH_KEY]})
    known = [one["key"] for one in result.get("configurationKey", [])]
    if (known, result.get("unknownKey")) != (["HeartbeatInterval"], [NO_SUCH_KEY]):
        raise Deviation(f"HeartbeatInterval known and {NO_SUCH_KEY} unknown", f"{result}")


async def _all_keys(bench: Bench) -> None:
    result = await bench.ask("GetConfiguration", {})
    missing = REQUIRED_KEYS - {one["key"] for one in result.get("configurationKey", [])}
    if missing:
        raise Deviation(
            "every key that section 9.1 requires", f"an answer without {', '.join(sorted(missing))}"
        )


async def _changed_key(bench: Bench) -> None:
    before = await _value(bench, "MeterValueSampleInterval")
    wanted = "61" if before != "61" else "62"
    await bench.asks("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": wanted}, "Accepted")
    after = await _value(bench, "MeterValueSampleInterval")
    await bench.asks("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": before}, "Accepted")
    if after != wanted:
        raise Deviation(f"MeterValueSampleInterval {wanted} after it was changed", after)


async def _read_only_key(bench: Bench) -> None:
    await bench.asks("ChangeConfiguration", {"key": "NumberOfConnectors", "value": "7"}, "Rejected")


async def _change_of_unknown_key(bench: Bench) -> None:
    await bench.asks("ChangeConfiguration", {"key": NO_SUCH_KEY, "value": "1"}, "NotSupported")


async def _bad_value(bench: Bench) -> None:
    await bench.asks("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "often"}, "Rejected")
    await bench.asks("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "-1"}, "Rejected")


async def _availability(bench: Bench) -> None:
    out = {"connectorId": CONNECTOR, "type": "Inoperative"}
    await bench.asks("ChangeAvailability", out, "Accepted")
    await bench.sees("StatusNotification", connectorId=CONNECTOR, status="Unavailable")
    await bench.asks("RemoteStartTransaction", {"idTag": bench.id_tag, "connectorId": CONNECTOR}, "Rejected")
    await bench.asks("ChangeAvailability", {**out, "type": "Operative"}, "Accepted")
    await bench.is_free()


async def _availability_scheduled(bench: Bench) -> None:
    transaction_id = await bench.start()
    await bench.asks("ChangeAvailability", {"connectorId": CONNECTOR, "type": "Inoperative"}, "Scheduled")
    await bench.asks("RemoteStopTransaction", {"transactionId": transaction_id}, "Accepted")
    await bench.sees("StatusNotification", connectorId=CONNECTOR, status="Unavailable")
    await bench.asks("ChangeAvailability", {"connectorId": CONNECTOR, "type": "Operative"}, "Accepted")
    await bench.is_free()


async def _availability_of_nothing(bench: Bench) -> None:
    payload = {"connectorId": NO_SUCH_CONNECTOR, "type": "Inoperative"}
    await bench.asks("ChangeAvailability", payload, "Rejected")


async def _remote_start_and_stop(bench: Bench) -> None:
    transaction_id = await bench.start()
    await bench.asks("RemoteStartTransaction", {"idTag": bench.id_tag, "connectorId": CONNECTOR}, "Rejected")
    stopped = await bench.stop(transaction_id)
    if stopped.get("reason") != "Remote":
        raise Deviation("a StopTransaction with reason Remote", f"{stopped}")


async def _remote_stop_of_nothing(bench: Bench) -> None:
    await bench.asks("RemoteStopTransaction", {"transactionId": NO_SUCH_TRANSACTION}, "Rejected")


async def _unlock(bench: Bench) -> None:
    transaction_id = await bench.start()
    await bench.asks("UnlockConnector", {"connectorId": CONNECTOR}, "Unlocked")
    stopped = await bench.sees("StopTransaction", transactionId=transaction_id)
    await bench.is_free()
    if stopped.get("reason") != "UnlockCommand":
        raise Deviation("a StopTransaction with reason UnlockCommand", f"{stopped}")


async def _unlock_of_nothing(bench: Bench) -> None:
    await bench.asks("UnlockConnector", {"connectorId": NO_SUCH_CONNECTOR}, "NotSupported")


async def _unknown_vendor(bench: Bench) -> None:
    await bench.asks("DataTransfer", {"vendorId": "org.example.unheard"}, "UnknownVendorId")


async def _soft_reset(bench: Bench) -> None:
    await _reset(bench, "Soft", "SoftReset")


async def _hard_reset(bench: Bench) -> None:
    await _reset(bench, "Hard", "HardReset")


async def _reset(bench: Bench, kind: str, reason: str) -> None:
    """Sections 5.14 and 4.10: the transaction is reported, before the boot or after it."""
    transaction_id = await bench.start()
    await bench.asks("Reset", {"type": kind}, "Accepted")
    await bench.returns()
    stopped = await bench.sees("StopTransaction", transactionId=transaction_id)
    await bench.is_free()
    if stopped.get("reason") != reason:
        raise Deviation(f"a StopTransaction with reason {reason}", f"{stopped}")


CORE = (
    Behaviour("GetConfiguration", "an unknown key is listed as unknown", _unknown_key),
    Behaviour("GetConfiguration", "every required key is there", _all_keys),
    Behaviour("ChangeConfiguration", "a change is read back", _changed_key),
    Behaviour("ChangeConfiguration", "a read-only key stays", _read_only_key),
    Behaviour("ChangeConfiguration", "an unknown key is not supported", _change_of_unknown_key),
    Behaviour("ChangeConfiguration", "a value that is no interval is rejected", _bad_value),
    Behaviour("ChangeAvailability", "a connector goes out of service and comes back", _availability),
    Behaviour("ChangeAvailability", "it waits for the end of a transaction", _availability_scheduled),
    Behaviour("ChangeAvailability", "an unknown connector is rejected", _availability_of_nothing),
    Behaviour("RemoteStartTransaction", "it starts a transaction, which is stopped", _remote_start_and_stop),
    Behaviour("RemoteStopTransaction", "an unknown transaction is rejected", _remote_stop_of_nothing),
    Behaviour("UnlockConnector", "a transaction ends", _unlock),
    Behaviour("UnlockConnector", "an unknown connector is not supported", _unlock_of_nothing),
    Behaviour("DataTransfer", "an unknown vendor is said to be unknown", _unknown_vendor),
    Behaviour("Reset", "soft: it comes back and boots", _soft_reset),
    Behaviour("Reset", "hard: it comes back and boots", _hard_reset),
)
