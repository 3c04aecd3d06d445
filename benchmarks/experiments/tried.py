"""What was tried on the hot path and did not help: it stands in the report, so that nobody tries it again."""

from benchmarks.model import Table

TRIED = Table(
    "What was tried on the hot path, and did not help",
    ("what", "figure", "verdict"),
    (
        (
            "each log line in a callback of its own, right after its answer",
            "0.6 µs more CPU each; the process is busy just when the next one wants its processor",
            "dropped: lines are written together, milliseconds later",
        ),
        (
            "look-ups inside one read transaction that is kept open",
            "1.5 to 0.8 µs in a tight loop; 45,000 a second served either way",
            "dropped",
        ),
        (
            "memory in huge pages (malloc instead of pymalloc, madvise)",
            "p50 to bare 1.88 with it, 1.69 without (scenario 2), 1.93 and 2.28 (scenario 4): noise",
            "dropped",
        ),
        (
            "the garbage collector switched off",
            "19.5 instead of 19.8 µs an authorization",
            "dropped; what a service has loaded is frozen instead, for the tail",
        ),
        (
            "handlers without the two coroutines between link and handler",
            "at most 1 µs; the link alone already has 1.2 times bare's rate",
            "not done: the link stays readable",
        ),
    ),
    note="Figures in µs are the fastest of 60 batches in one process, which the machine's stalls do not reach.",
)
