"""What the parts of the command line share: options, exit codes, and how an error is told."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

T = TypeVar("T")

FAILED, MISUSED = 1, 2

DatabaseFile = Annotated[
    Path, typer.Option("--database", envvar="CPO_DATABASE", help="The SQLite database.", show_default=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
CENTRAL_SQLITE = Path("central.sqlite")


def stop(message: str, code: int = FAILED) -> NoReturn:
    """End the command with an error."""
    typer.echo(f"cpo-central: {message}", err=True)
    raise typer.Exit(code)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a command; surroundings that do not allow it end the command."""
    import asyncio

    from cascade.errors import SetupError

    try:
        return asyncio.run(work)
    except SetupError as error:
        stop(str(error))


def existing(database: Path) -> Path:
    """The database file, which a command that only reads does not create."""
    if not database.exists():
        stop(f"there is no database {database}: say where it is with --database or CPO_DATABASE")
    return database
