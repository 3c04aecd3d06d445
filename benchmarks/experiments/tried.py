"""What was tried on the hot path and did not help: it stands in the report, so that nobody tries it again."""

from benchmarks.model import Table

TRIED = Table(
    "What was tried on the hot path, and did not help",
    ("what", "figure", "verdict"),
    (
        (
            (
                "structured log line rendered after the answer in a callback of its own, instead of with the "
                "turn's others"
            ),
            "0.6 µs more CPU an authorization",
            "dropped",
        ),
        (
            "handlers begun without the two coroutines between link and handler",
            "link alone already 1.2 times bare's rate",
            "not done",
        ),
    ),
)
