"""`python -m scenarios`."""

from scenarios.cli import app

app()
