"""What the command line does with the keys of the REST interface, and how it shows them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from cascade.database import Database
from cpo_central.commands.console import Record, print_json, show, with_database
from cpo_central.rest.api_keys import NAME_PATTERN, ApiKey, ApiKeyStore, Role


async def add(database: Path, name: str, role: Role) -> str | None:
    """Make a key; None if the name is taken.

    Raises:
        ValueError: it is no name.
    """
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise ValueError("a key's name has 1 to 64 letters, digits, or of . _ @ -")
    return await with_database(database, lambda opened: ApiKeyStore(opened).add(name, role, datetime.now(UTC)))


async def list_keys(database: Path) -> list[Record]:
    """The keys."""

    async def find(opened: Database) -> list[ApiKey]:
        return ApiKeyStore(opened).all()

    found = await with_database(database, find)
    return [{"name": key.name, "role": key.role.value, "createdAt": key.created_at} for key in found]


async def remove(database: Path, name: str) -> bool:
    """Take a key back; False if there is none of this name."""
    return await with_database(database, lambda opened: ApiKeyStore(opened).remove(name))


def show_keys(records: Sequence[Record], *, as_json: bool) -> None:
    """Print keys."""
    show(records, ("name", "role", "createdAt"), as_json=as_json)


def show_made(name: str, role: Role, key: str, *, as_json: bool) -> None:
    """Print a key, which is shown this once: by itself, so that it can be piped on."""
    if as_json:
        print_json({"name": name, "role": role.value, "key": key})
    else:
        typer.echo(key)


def show_removed(name: str, *, as_json: bool) -> None:
    """Print that a key is worth nothing now."""
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        typer.echo(f"{name} is removed")
