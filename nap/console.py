"""What the commands have in common: the store, for as long as one runs, and tables or JSON."""

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table

from cascade.service import load_settings, run_or_exit
from nap.app import open_store
from nap.settings import HubSettings
from nap.store.port import Store

T = TypeVar("T")

UNSEEN_WIDTH = 200
"""Columns of a table that goes to a file or a pipe."""

DatabaseOption = Annotated[
    Path | None, typer.Option("--database", help="The database file; NAP_DATABASE or nap.sqlite by default.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def with_store(database: Path | None, work: Callable[[Store], Awaitable[T]]) -> T:
    """Work on the store; what does not allow to open it ends the command."""
    settings = load_settings(HubSettings, database=database)

    async def main() -> T:
        store = await open_store(settings)
        try:
            return await work(store)
        finally:
            await store.close()

    return run_or_exit(main())


def print_json(document: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, indent=2, default=str))


def print_rows(rows: list[dict[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """A table of some columns for people, all of it as JSON for programs."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("none")
        return
    table = Table(*(Column(name, overflow="fold") for name in columns))  # an id cut short is of no use
    for row in rows:
        table.add_row(*(cell(row[name]) for name in columns))
    Console(width=None if sys.stdout.isatty() else UNSEEN_WIDTH).print(table)


def cell(value: object) -> str:
    """A value as a table shows it."""
    match value:
        case None:
            return "-"
        case list():
            return ", ".join(str(item) for item in value) or "-"
        case _:
            return str(value)
