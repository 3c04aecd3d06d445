"""Tokens as CSV: a header that names the columns, and a token a line."""

import csv
from collections.abc import Iterable
from typing import NamedTuple

import orjson
from pydantic import ValidationError

from cascade.roaming.tokens import Token

COLUMNS = ("idTag", "status", "expiryDate", "parentIdTag")


class Fault(NamedTuple):
    """A line of a CSV file that is no token."""

    line: int
    fault: str


def read_token(row: dict[str, str | None]) -> Token:
    """The token that a row of text describes; empty cells are as if they were not there.

    Raises:
        ValueError: it describes none; the text says why.
    """
    given = {name: cell.strip() for name, cell in row.items() if cell is not None and cell.strip()}
    try:
        return Token.model_validate_json(orjson.dumps(given))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise ValueError("; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in faults)) from None


def read_csv(lines: Iterable[str]) -> tuple[list[Token], list[Fault]]:
    """The tokens of a CSV text, and its wrong lines.

    Raises:
        ValueError: it has no header with an `idTag`, or other columns than ours, or is no CSV.
    """
    rows = csv.DictReader(lines, restkey="", strict=True)
    try:
        return _read(rows)
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from None


def _read(rows: "csv.DictReader[str]") -> tuple[list[Token], list[Fault]]:
    tokens: list[Token] = []
    faults: list[Fault] = []
    names = [name.strip() for name in rows.fieldnames or ()]
    if "idTag" not in names or not set(names) <= set(COLUMNS):
        raise ValueError(f"its first line must name its columns, of {','.join(COLUMNS)}")
    rows.fieldnames = names
    for row in rows:
        try:
            if "" in row:
                raise ValueError(f"more than {len(names)} cells")  # noqa: TRY301
            tokens.append(read_token(row))
        except ValueError as error:
            faults.append(Fault(rows.line_num, str(error)))
    return tokens, faults
