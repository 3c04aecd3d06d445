"""Why a charge point cannot be called: what is known before anything is sent."""

from cascade.errors import CascadeError


class CannotCallError(CascadeError):
    """A charge point cannot be called now.

    Args:
        charge_point_id: which.
        because: what stands in the way, and what to do about it.
    """

    def __init__(self, charge_point_id: str, because: str) -> None:
        super().__init__(f"{charge_point_id}: {because}")
        self.charge_point_id = charge_point_id


class UnknownChargePointError(CannotCallError):
    """It has never been here, and is not registered.

    Args:
        charge_point_id: which.
    """

    def __init__(self, charge_point_id: str) -> None:
        super().__init__(charge_point_id, "no such charge point has ever come, and none is registered")


class NotConnectedError(CannotCallError):
    """It is known, and has no link now.

    Args:
        charge_point_id: which.
    """

    def __init__(self, charge_point_id: str) -> None:
        super().__init__(charge_point_id, "it is not connected now: try again when it is")


class NotAcceptedError(CannotCallError):
    """It is connected, and not accepted: what is asked of it must wait until it is (OCPP 1.6, section 4.2)."""
