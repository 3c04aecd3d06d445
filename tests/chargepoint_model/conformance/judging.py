"""What the house itself makes of a request."""

from cascade.errors import AnswerError
from cascade.frames import Payload
from cascade.ocpp16 import check_request


def code_for(action: str, payload: Payload) -> str | None:
    """The CALLERROR code that a request gets; None if it is right."""
    try:
        check_request(action, payload)
    except AnswerError as error:
        return error.code
    return None
