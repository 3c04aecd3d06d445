"""The error tree.

Three questions decide where an error belongs: did *we* find fault with what the peer asked
(`AnswerError`, which we answer with a CALLERROR), did a call of ours get no result (`CallFailed`), or did
an operator refuse a well-formed roaming request (`RoamingRefused`)? What goes wrong with our own
surroundings, a database or a configuration, is a `SetupError`: its text tells the operator what to do.
"""

from typing import Any, ClassVar


class CascadeError(Exception):
    """The root of every error that this project raises on purpose."""


# --- ours: a CALL that we answer with a CALLERROR (OCPP-J 1.6, section 4.2.3) -----------------------------


class AnswerError(CascadeError):
    """Raised while handling a peer's CALL; the link answers with `code` and the text.

    Args:
        description: what is wrong, for a person; at most 255 characters go out.
        details: more, for a program.
    """

    code: ClassVar[str] = "GenericError"

    def __init__(self, description: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.details = details or {}


class UnknownActionError(AnswerError):
    """The action is not in the vocabulary."""

    code = "NotImplemented"


class UnsupportedActionError(AnswerError):
    """The action is in the vocabulary, but not for this receiver."""

    code = "NotSupported"


class InternalFaultError(AnswerError):
    """A fault of ours; its text never says more than that."""

    code = "InternalError"


class MissingFieldError(AnswerError):
    """The payload for the action is incomplete."""

    code = "ProtocolError"


class SecurityFaultError(AnswerError):
    """The sender may not ask this, or not yet."""

    code = "SecurityError"


class MalformedPayloadError(AnswerError):
    """The payload's structure is not the action's: an unknown field, or no object at all."""

    code = "FormationViolation"


class BadValueError(AnswerError):
    """A field is well-formed, but its value is not allowed."""

    code = "PropertyConstraintViolation"


class BadOccurrenceError(AnswerError):
    """A list holds too many or too few entries."""

    code = "OccurenceConstraintViolation"  # spelt so in the standard


class WrongTypeError(AnswerError):
    """A field has the wrong type."""

    code = "TypeConstraintViolation"


class FrameError(MalformedPayloadError):
    """The text is not an OCPP-J frame.

    Args:
        description: what is wrong.
        message_id: the id of the CALL it seems to be, if one could be read; without one nothing can be
            answered.
    """

    def __init__(self, description: str, message_id: str | None = None) -> None:
        super().__init__(description)
        self.message_id = message_id


# --- a call of ours that got no result --------------------------------------------------------------------


class CallFailed(CascadeError):  # noqa: N818 - the three ways it fails are the errors
    """A call ended without a result from the peer."""


class PeerError(CallFailed):
    """The peer answered with a CALLERROR."""

    def __init__(self, code: str, description: str, details: dict[str, Any]) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
        self.details = details


class CallTimeoutError(CallFailed):
    """No answer before the deadline.

    Args:
        action: the action called.
        sent: whether the CALL had left; if not, the peer cannot have acted on it.
    """

    def __init__(self, action: str, *, sent: bool) -> None:
        super().__init__(
            f"{action}: no answer in time" if sent else f"{action}: the link was busy for too long"
        )
        self.action = action
        self.sent = sent


class LinkLostError(CallFailed):
    """The link went away, or was never there."""


class BadResultError(CallFailed):
    """The peer's CALLRESULT is not a result of the action that was called."""


# --- a well-formed roaming request that is refused (status Rejected) ----------------------------------------


class RoamingRefused(CascadeError):  # noqa: N818 - it is an answer, not a fault
    """A roaming request was refused with a code and a sentence.

    Args:
        code: one word of the protocol, such as `UnknownToken`.
        detail: a sentence that says what to do about it, and reveals nothing about other operators.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


# --- our own surroundings -----------------------------------------------------------------------------------


class SetupError(CascadeError):
    """The surroundings do not allow to work: the text says what is wrong and what to do."""


class StoreError(SetupError):
    """The database cannot be used: missing rights, a full disk, another program's file, a newer schema."""
