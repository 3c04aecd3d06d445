"""What came of a run, simulated or real."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """One seed's."""

    seed: int
    sessions: int = 0
    corrections: int = 0
    batches: int = 0
    """Messages with several CDRs, or statuses of CDRs."""
    at_home: int = 0
    """CDRs that came home, of a run over processes."""
    faults: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    """Of a simulation's event loop: two runs of a seed have the same."""
    virtual_s: float = 0.0
    violations: list[str] = field(default_factory=list)
