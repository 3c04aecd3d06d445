"""The message sequence of a traced visit, put together from the traces of all processes."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scenarios.process import Event


@dataclass(frozen=True, slots=True)
class Message:
    """One frame on its way."""

    at_ms: float
    """When it was sent, from the first message of the sequence."""
    sender: str
    receiver: str
    kind: str
    """CALL, CALLRESULT or CALLERROR."""
    action: str
    message_id: str
    transit_ms: float | None
    """From before it was encoded to after it was decoded; None if nobody saw it arrive."""

    def as_json(self) -> dict[str, Any]:
        """The message for the JSON report."""
        row = asdict(self)
        return {"from": row.pop("sender"), "to": row.pop("receiver"), **row}


def sequence(events: Iterable[Event]) -> list[Message]:
    """The messages in the order in which they were sent; heartbeats are left out.

    `CLOCK_MONOTONIC` is one clock for all processes of a machine, so their moments can be compared.
    """
    frames = [event for event in events if event["event"] == "frame"]
    sent = sorted((frame for frame in frames if frame["what"] == "sent"), key=lambda frame: int(frame["at_ns"]))
    arrived = {_identity(frame): frame["at_ns"] for frame in frames if frame["what"] == "received"}
    actions = {
        (frame["sender"], frame["receiver"], frame["message_id"]): frame["about"]
        for frame in sent
        if frame["kind"] == "CALL"
    }
    messages = []
    for frame in sent:
        asked = (frame["receiver"], frame["sender"], frame["message_id"])
        action = frame["about"] if frame["kind"] == "CALL" else actions.get(asked, "")
        if action == "Heartbeat":
            continue
        arrival = arrived.get(_identity(frame))
        messages.append(
            Message(
                at_ms=round((frame["at_ns"] - sent[0]["at_ns"]) / 1e6, 3),
                sender=frame["sender"],
                receiver=frame["receiver"],
                kind=frame["kind"],
                action=action,
                message_id=frame["message_id"],
                transit_ms=None if arrival is None else round((arrival - frame["at_ns"]) / 1e6, 3),
            )
        )
    return messages


def _identity(frame: Event) -> tuple[str, str, str, str]:
    return frame["sender"], frame["receiver"], frame["kind"], frame["message_id"]


def mermaid(messages: Sequence[Message]) -> str:
    """The sequence as a Mermaid sequence diagram."""
    names = dict.fromkeys(name for message in messages for name in (message.sender, message.receiver))
    aliases = {name: f"p{number}" for number, name in enumerate(names)}
    lines = ["sequenceDiagram"]
    lines += [f"    participant {alias} as {name}" for name, alias in aliases.items()]
    for message in messages:
        arrow = "->>" if message.kind == "CALL" else "-->>" if message.kind == "CALLRESULT" else "--x"
        what = message.action if message.kind == "CALL" else f"{message.action} {message.kind}"
        path = f"{aliases[message.sender]}{arrow}{aliases[message.receiver]}"
        lines.append(f"    {path}: {what} ({message.at_ms} ms)")
    return "\n".join(lines)
