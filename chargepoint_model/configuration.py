"""The configuration keys that a central system may read and change (OCPP 1.6, section 9)."""

import asyncio
from typing import NamedTuple

from cascade.frames import Payload


class Key(NamedTuple):
    """One key; without `least` it is read-only, else a whole number of at least that."""

    value: str
    least: int | None = None


KEYS = {
    "AuthorizeRemoteTxRequests": Key("false"),
    "ConnectionTimeOut": Key("60", least=1),
    "HeartbeatInterval": Key("300", least=1),
    "MeterValueSampleInterval": Key("300", least=0),
    "MeterValuesSampledData": Key("Energy.Active.Import.Register,Power.Active.Import"),
    "NumberOfConnectors": Key("1"),
    "StopTransactionOnEVSideDisconnect": Key("true"),
    "StopTransactionOnInvalidId": Key("true"),
    "SupportedFeatureProfiles": Key("Core,RemoteTrigger"),
    "TransactionMessageAttempts": Key("3", least=1),
    "TransactionMessageRetryInterval": Key("5", least=0),
    "UnlockConnectorOnEVSideDisconnect": Key("true"),
}
"""Every key with its first value; intervals are in seconds."""

MOST = 2**31 - 1
"""The largest number that a key takes."""


class Configuration:
    """The keys of one charge point.

    Args:
        connectors: how many it has.
    """

    def __init__(self, connectors: int) -> None:
        self.changed = asyncio.Event()
        """Set at the next change of a key; every change brings a new one."""
        self._keys = {**KEYS, "NumberOfConnectors": Key(str(connectors))}

    def number(self, name: str) -> int:
        """The value of a key that is a number."""
        return int(self._keys[name].value)

    def set(self, name: str, value: int) -> None:
        """Set a number ourselves, such as the interval that BootNotification was answered with."""
        self._keys[name] = self._keys[name]._replace(value=str(min(value, MOST)))
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def read(self, names: list[str]) -> Payload:
        """The answer to GetConfiguration: all keys if none are named."""
        known = [name for name in names or self._keys if name in self._keys]
        return {
            "configurationKey": [
                {"key": name, "readonly": key.least is None, "value": key.value}
                for name in known
                for key in [self._keys[name]]
            ],
            "unknownKey": [name for name in names if name not in self._keys],
        }

    def change(self, name: str, value: str) -> str:
        """The status that answers ChangeConfiguration."""
        key = self._keys.get(name)
        if key is None:
            return "NotSupported"
        if key.least is None or not (value.isascii() and value.isdigit()):
            return "Rejected"
        if not key.least <= int(value) <= MOST:
            return "Rejected"
        self.set(name, int(value))
        return "Accepted"
