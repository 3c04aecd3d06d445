"""Findings with one of everything, and with what a writer may stumble over."""

from benchmarks.model import Chart, Estimate, Findings, Series, Table, Target

AUTHORIZE = Findings(
    experiment="authorize",
    about="Open loop; <b>100</b> charge points & their drivers.",
    targets=(
        Target("scenario 4 to bare, p50", Estimate(1.32, 1.2, 1.45), 1.4),
        Target(
            "throughput to bare | share", Estimate(0.531, 0.5, 0.58), 0.6, at_most=False, remark="a <stall>"
        ),
        Target("null server, ms", Estimate(0.0612, 0.06, 0.07), None),
        Target("memory, bytes", None, 120.0, remark="too few tokens"),
    ),
    tables=(
        Table(
            title="Latency <ms>",
            columns=("scenario", "calls", "p50 ms", "p99 ms", "remark"),
            rows=(
                ("1: whitelist", 120000, Estimate(0.25, 0.2, 0.31), 1.5, None),
                ("4: redirect", 90000, Estimate(1.32, 1.2, 1.45), None, "at the generator's limit"),
            ),
            note="Five repetitions & a warm-up.",
        ),
        Table("Nothing", ("x", "y"), ()),
    ),
    charts=(
        Chart(
            "load",
            'Latency "p99" against $load$ <all>',
            "offered, calls/s",
            "p99, ms",
            (
                Series("cascade", (100.0, 200.0, 400.0), (1.5, 2.0, 30.0), (1.2, 1.9, 20.0), (1.9, 2.4, 50.0)),
                Series("bare", (100.0, 200.0, 400.0), (1.0, 1.1, 1.5)),
            ),
            log_x=True,
            log_y=True,
        ),
        Chart("hops", "By hop", "scenario", "ms", (Series("hub", ("1", "2"), (0.1, 0.2)),), kind="stacked"),
    ),
    settings={"seed": 1, "rates": (100, 200), "background": None, "warm": True},
    samples={"scenario 4/open": [(0.0, 1.25), (0.1, 0.1 + 0.2)]},
    notes=("A run <marked> is at the limit.",),
)
GROWTH = Findings("growth", "Against operators.", targets=(Target("slope", Estimate(0.01, -0.02, 0.03), None),))

FINDINGS = (AUTHORIZE, GROWTH)
ENVIRONMENT = {
    "date": "2026-01-31T12:00:00+00:00",
    "commit": {"id": "abc", "dirty": False},
    "python": "CPython 3.11.7",
    "kernel": "6.1 <rc>",
    "cpu": None,
    "cores_usable": 2,
    "stalls": {"watched_s": 1.0, "lost_share": 0.1234, "gaps": 7, "longest_ms": 21.5},
    "load_average": [0.5, 0.25, 0.1],
}
COMMAND = "roaming-bench all --seed 1 > out & echo <done>"
