"""The configuration keys that a central system may read and change (OCPP 1.6, section 9; security whitepaper).

Each key has a rule that reads what is to be its value: the value as it is kept, or None if it is none.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from chargepoint_model.measurands import MEASURANDS

Rule = Callable[[str], str | None]

MOST = 2**31 - 1
"""The largest number that a key takes."""

MAX_KEYS = 50
"""How many keys one GetConfiguration may name."""

MAX_STACK_LEVEL = 10
MAX_PERIODS = 100
MAX_PROFILES = 50
MAX_LIST_LENGTH = 10_000
MAX_LIST_UPDATE = 500
MAX_CERTIFICATES = 20


class Key(NamedTuple):
    """One key."""

    value: str
    """Its first value."""
    rule: Rule | None = None
    """None if it is read-only."""
    at_reboot: bool = False
    """Whether a change takes effect at the next reboot only (RebootRequired)."""
    secret: bool = False
    """Whether it is never shown."""


def whole(least: int, most: int = MOST) -> Rule:
    """A whole number of `least` to `most`."""

    def read(text: str) -> str | None:
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            return None
        return str(int(text)) if least <= int(text) <= most else None

    return read


def flag(text: str) -> str | None:
    """`true` or `false`, in any case."""
    return text.lower() if text.lower() in {"true", "false"} else None


def measurands(text: str) -> str | None:
    """A comma list of measurands that are metered here, each once; it may be empty."""
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    known = all(name in MEASURANDS for name in names) and len(set(names)) == len(names)
    return ",".join(names) if known else None


def matching(pattern: str) -> Rule:
    """A text that matches a regular expression as a whole."""

    def read(text: str) -> str | None:
        return text if re.fullmatch(pattern, text) else None

    return read


_PHASES = r"\d{1,4}\.(NotApplicable|Unknown|RST|RTS|SRT|STR|TRS|TSR)"

KEYS = {
    # --- core (section 9.1)
    "AllowOfflineTxForUnknownId": Key("false", flag),
    "AuthorizationCacheEnabled": Key("true", flag),
    "AuthorizeRemoteTxRequests": Key("false", flag),
    "ClockAlignedDataInterval": Key("0", whole(0, 86_400)),
    "ConnectionTimeOut": Key("60", whole(1)),
    "ConnectorPhaseRotation": Key("0.RST", matching(rf"{_PHASES}(,{_PHASES})*")),
    "GetConfigurationMaxKeys": Key(str(MAX_KEYS)),
    "HeartbeatInterval": Key("300", whole(1)),
    "LocalAuthorizeOffline": Key("true", flag),
    "LocalPreAuthorize": Key("false", flag),
    "MeterValueSampleInterval": Key("300", whole(0)),
    "MeterValuesAlignedData": Key("Energy.Active.Import.Register", measurands),
    "MeterValuesAlignedDataMaxLength": Key(str(len(MEASURANDS))),
    "MeterValuesSampledData": Key("Energy.Active.Import.Register,Power.Active.Import", measurands),
    "MeterValuesSampledDataMaxLength": Key(str(len(MEASURANDS))),
    "NumberOfConnectors": Key("1"),
    "ResetRetries": Key("0", whole(0)),
    "StopTransactionOnEVSideDisconnect": Key("true", flag),
    "StopTransactionOnInvalidId": Key("true", flag),
    "StopTxnAlignedData": Key("", measurands),
    "StopTxnAlignedDataMaxLength": Key(str(len(MEASURANDS))),
    "StopTxnSampledData": Key("", measurands),
    "StopTxnSampledDataMaxLength": Key(str(len(MEASURANDS))),
    "SupportedFeatureProfiles": Key(
        "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"
    ),
    "TransactionMessageAttempts": Key("3", whole(1)),
    "TransactionMessageRetryInterval": Key("5", whole(0)),
    "UnlockConnectorOnEVSideDisconnect": Key("true"),
    "WebSocketPingInterval": Key("20"),
    # --- local authorization list (section 9.2)
    "LocalAuthListEnabled": Key("true", flag),
    "LocalAuthListMaxLength": Key(str(MAX_LIST_LENGTH)),
    "SendLocalListMaxLength": Key(str(MAX_LIST_UPDATE)),
    # --- reservation (section 9.3)
    "ReserveConnectorZeroSupported": Key("true"),
    # --- smart charging (section 9.4)
    "ChargeProfileMaxStackLevel": Key(str(MAX_STACK_LEVEL)),
    "ChargingScheduleAllowedChargingRateUnit": Key("Current,Power"),
    "ChargingScheduleMaxPeriods": Key(str(MAX_PERIODS)),
    "ConnectorSwitch3to1PhaseSupported": Key("false"),
    "MaxChargingProfilesInstalled": Key(str(MAX_PROFILES)),
    # --- security (whitepaper, edition 2, section 4)
    "AdditionalRootCertificateCheck": Key("false"),
    "AuthorizationKey": Key("", matching(r"[\x20-\x7e]{16,40}"), secret=True),
    "CertificateStoreMaxLength": Key(str(MAX_CERTIFICATES)),
    "CpoName": Key("", matching(r"[^\x00-\x1f]{1,64}")),
    "SecurityProfile": Key("0", whole(0, 3), at_reboot=True),
}
"""Every key with its first value; intervals are in seconds."""

BY_KEY = {name.lower(): name for name in KEYS}
"""Keys are CiString50Type: compared without case."""
