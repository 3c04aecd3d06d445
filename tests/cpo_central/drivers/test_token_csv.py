import io

import pytest

from cpo_central.drivers.token_csv import read_csv, read_token


def read(text: str) -> tuple[list[str], list[int]]:
    tokens, faults = read_csv(io.StringIO(text, newline=""))
    return [token.id_tag for token in tokens], [fault.line for fault in faults]


def test_tokens_and_wrong_lines_are_told_apart() -> None:
    text = "idTag, status\r\nA,Accepted\r\n\r\nB,Perhaps\r\nC,\r\nD,Blocked,more\r\n"
    assert read(text) == (["A", "C"], [4, 6])


@pytest.mark.parametrize(
    "text", ["", "name\nA\n", "idTag,pin\nA,1\n", 'idTag\n"A"B\n', 'idTag\n"A\n', "idTag\n" + "A" * 200_000]
)
def test_what_is_no_csv_of_tokens_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        read(text)


def test_an_empty_cell_is_as_if_it_were_not_there() -> None:
    token = read_token({"idTag": " A ", "status": "", "expiryDate": None, "parentIdTag": "G"})
    assert (token.id_tag, token.status, token.expiry_date, token.parent_id_tag) == ("A", "Accepted", None, "G")
    with pytest.raises(ValueError, match="idTag"):
        read_token({"status": "Accepted"})
