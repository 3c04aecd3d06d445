from scenarios.frames import mermaid, sequence
from scenarios.process import Event


def frame(what: str, at_ms: float, path: str, kind: str, about: str, message_id: str) -> Event:
    sender, receiver = path.split(">")
    return {
        "event": "frame",
        "what": what,
        "at_ns": int(at_ms * 1e6),
        "sender": sender,
        "receiver": receiver,
        "kind": kind,
        "about": about,
        "message_id": message_id,
    }


EVENTS = [
    frame("received", 11, "CP>C2", "CALL", "Authorize", "1"),
    frame("sent", 10, "CP>C2", "CALL", "Authorize", "1"),
    frame("sent", 12, "C2>hub", "CALL", "Heartbeat", "h"),
    frame("sent", 12.5, "hub>C2", "CALLRESULT", "", "h"),
    frame("sent", 13, "C2>CP", "CALLRESULT", "", "1"),
    frame("sent", 14, "CP>C2", "CALL", "Reset", "2"),
    frame("sent", 15, "C2>CP", "CALLERROR", "NotSupported", "2"),
    {"event": "something else"},
]


def test_frames_of_all_processes_make_one_sequence_without_heartbeats() -> None:
    assert [(m.at_ms, m.sender, m.receiver, m.kind, m.action, m.transit_ms) for m in sequence(EVENTS)] == [
        (0.0, "CP", "C2", "CALL", "Authorize", 1.0),
        (3.0, "C2", "CP", "CALLRESULT", "Authorize", None),
        (4.0, "CP", "C2", "CALL", "Reset", None),
        (5.0, "C2", "CP", "CALLERROR", "Reset", None),
    ]


def test_nothing_traced_is_no_sequence() -> None:
    assert sequence([]) == []


def test_the_sequence_as_mermaid() -> None:
    assert mermaid(sequence(EVENTS)).splitlines() == [
        "sequenceDiagram",
        "    participant p0 as CP",
        "    participant p1 as C2",
        "    p0->>p1: Authorize (0.0 ms)",
        "    p1-->>p0: Authorize CALLRESULT (3.0 ms)",
        "    p0->>p1: Reset (4.0 ms)",
        "    p1--xp0: Reset CALLERROR (5.0 ms)",
    ]


def test_a_message_for_the_report_names_from_and_to() -> None:
    first = sequence(EVENTS)[0].as_json()
    assert (first["from"], first["to"], first["action"]) == ("CP", "C2", "Authorize")
