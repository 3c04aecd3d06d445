"""What the commands have in common: the database, for as long as one runs, and tables or JSON."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from cascade.database import Database
from cpo_central.schema import open_database

T = TypeVar("T")
Record = dict[str, Any]

UNSEEN_WIDTH = 200
"""Columns of a table that goes to a file or a pipe."""


async def with_database(file: Path, work: Callable[[Database], Awaitable[T]]) -> T:
    """Work on the database in a file.

    Raises:
        StoreError: it cannot be used; the text says what to do.
    """
    opened = open_database(file)
    try:
        return await work(opened)
    finally:
        await opened.close()


def show(records: Sequence[Record], columns: Sequence[str], *, as_json: bool) -> None:
    """Print records: these columns as a table, or all of them as JSON."""
    if as_json:
        print_json(records)
        return
    table = Table(*(Column(name, overflow="fold") for name in columns))  # an id cut short is of no use
    for record in records:
        table.add_row(*("" if record.get(name) is None else str(record[name]) for name in columns))
    Console(width=None if sys.stdout.isatty() else UNSEEN_WIDTH).print(table)


def print_json(document: object) -> None:
    """Print one JSON document."""
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
