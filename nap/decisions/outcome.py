"""What a decision comes to: an answer, a question to somebody else, or a refusal."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """The hub knows the answer.

    Args:
        value: what to answer, or what to carry out and then answer.
        decided_by: who decided, for the log: hub or none.
        reason: why a driver is refused, for the log only: the answer must not tell an operator which.
    """

    value: T
    decided_by: str = "hub"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """Another operator must be asked."""

    operator_id: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request is refused, with a code of the protocol and a sentence that says what to do."""

    code: str
    detail: str
