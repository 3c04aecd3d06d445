"""The configuration of one charge point: the keys of `keys`, and what has become of them."""

import asyncio

from cascade.errors import BadOccurrenceError
from cascade.frames import Payload
from chargepoint_model.keys import BY_KEY, KEYS, MAX_KEYS, MOST


class Configuration:
    """The keys of one charge point.

    Only what differs from the first values is held: a process may run thousands of charge points.

    Args:
        connectors: how many it has.
    """

    def __init__(self, connectors: int) -> None:
        self.changed = asyncio.Event()
        """Set at the next change of a key; every change brings a new one."""
        self._values = {"NumberOfConnectors": str(connectors)}
        self._at_reboot: dict[str, str] = {}

    # --- what the charge point goes by ----------------------------------------------------------------------

    def text(self, name: str) -> str:
        """The value of a key."""
        return self._values.get(name, KEYS[name].value)

    def number(self, name: str) -> int:
        """The value of a key that is a number."""
        return int(self.text(name))

    def flag(self, name: str) -> bool:
        """The value of a key that is a boolean."""
        return self.text(name) == "true"

    def names(self, name: str) -> list[str]:
        """The value of a key that is a comma list."""
        value = self.text(name)
        return value.split(",") if value else []

    def set(self, name: str, value: int) -> None:
        """Set a number ourselves, such as the interval that BootNotification was answered with."""
        self._put(name, str(min(value, MOST)))

    def restart(self) -> None:
        """Let the changes take effect that wait for a reboot."""
        for name, value in self._at_reboot.items():
            self._put(name, value)
        self._at_reboot.clear()

    def _put(self, name: str, value: str) -> None:
        self._values[name] = value
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    # --- what the central system asks -----------------------------------------------------------------------

    def read(self, names: list[str]) -> Payload:
        """The answer to GetConfiguration: all keys if none are named (OCPP 1.6, section 5.8).

        Raises:
            BadOccurrenceError: more keys are named than GetConfigurationMaxKeys.
        """
        if len(names) > MAX_KEYS:
            raise BadOccurrenceError(f"at most {MAX_KEYS} keys may be named: see GetConfigurationMaxKeys")
        known = [BY_KEY[name.lower()] for name in names if name.lower() in BY_KEY] if names else list(KEYS)
        return {
            "configurationKey": [self._shown(name) for name in dict.fromkeys(known)],
            "unknownKey": [name for name in names if name.lower() not in BY_KEY],
        }

    def _shown(self, name: str) -> Payload:
        shown = {"key": name, "readonly": KEYS[name].rule is None}
        return shown if KEYS[name].secret else {**shown, "value": self.text(name)}

    def change(self, name: str, value: str) -> str:
        """The status that answers ChangeConfiguration (section 5.3)."""
        name = BY_KEY.get(name.lower(), name)
        if name not in KEYS:
            return "NotSupported"
        key = KEYS[name]
        taken = None if key.rule is None else key.rule(value)
        if taken is None or (name == "SecurityProfile" and not self._secures(int(taken))):
            return "Rejected"
        if key.at_reboot:
            self._at_reboot[name] = taken
            return "RebootRequired"
        self._put(name, taken)
        return "Accepted"

    def _secures(self, profile: int) -> bool:
        """A security profile is never lowered, and needs its credential first (whitepaper, section 3.1)."""
        has_credential = profile in {0, 3} or bool(self.text("AuthorizationKey"))
        return profile >= self.number("SecurityProfile") and has_credential
