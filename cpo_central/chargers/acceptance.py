"""Boot acceptance (OCPP 1.6, section 4.2): what a charge point may say, and be asked, before we accept it.

| registration | it is answered | it is asked |
| --- | --- | --- |
| Accepted, and it has booted | everything | everything |
| Pending; Accepted, and it never booted | its boot, and what it was triggered to say | not to start or stop |
| Rejected | its boot | nothing |
"""

from dataclasses import dataclass, field
from enum import StrEnum

BOOT = "BootNotification"

REMOTE_CONTROL = frozenset({"RemoteStartTransaction", "RemoteStopTransaction"})

_TRIGGERED = {
    ("ExtendedTriggerMessage", "FirmwareStatusNotification"): "SignedFirmwareStatusNotification",
    ("ExtendedTriggerMessage", "SignChargePointCertificate"): "SignCertificate",
}
"""What a charge point sends where the trigger does not call it by its name (security whitepaper, section 3)."""


class Registration(StrEnum):
    """Whether we want a charge point (OCPP 1.6, RegistrationStatus)."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


@dataclass(slots=True, weakref_slot=True)
class Standing:
    """How a charge point stands with us."""

    registration: Registration
    booted: bool
    """Whether it ever has."""
    may_speak: bool = field(init=False)
    """Whether everything that it says is answered."""
    invited: set[str] = field(init=False)
    """The actions that are answered even if it may not speak."""

    def __post_init__(self) -> None:
        self.change(self.registration, booted=self.booted)

    def change(self, registration: Registration, *, booted: bool) -> None:
        """It stands otherwise now; what it was invited to before counts no more."""
        self.registration, self.booted = registration, booted
        self.may_speak = booted and registration is Registration.ACCEPTED
        self.invited = {BOOT}

    def invite(self, trigger: str, requested: str) -> None:
        """It is asked for a message, which will be answered.

        Args:
            trigger: TriggerMessage or ExtendedTriggerMessage.
            requested: its `requestedMessage`.
        """
        self.invited.add(_TRIGGERED.get((trigger, requested), requested))

    def refusal(self, action: str) -> str | None:
        """Why it may not be asked this now; None if it may."""
        if self.registration is Registration.REJECTED:
            return f"it is rejected, so {action} is not sent to it: accept it first"
        if action in REMOTE_CONTROL and not self.may_speak:
            lacks = "its boot" if self.registration is Registration.ACCEPTED else "acceptance"
            return f"{action} must wait for {lacks}"
        return None
