import orjson
import pytest

from benchmarks.baselines.roles import Options, answer, decision, dialled, options
from benchmarks.load.plan import ACTIONS, Action
from cascade.ocpp16 import check_result


def test_a_command_line_is_read() -> None:
    assert options(["--role", "central"]) == Options("central", None, ask_home=False)
    assert options(["--role", "hub", "--ask-home"]) == Options("hub", None, ask_home=True)
    assert options(["--role", "home", "--upstream", "ws://h"]) == Options("home", "ws://h", ask_home=False)


@pytest.mark.parametrize("arguments", [[], ["--role", "king"], ["--role", "hub", "--dance"]])
def test_one_that_makes_no_sense_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(arguments)
    assert "usage" in capsys.readouterr().err


def test_a_home_tells_its_hub_that_it_is_one() -> None:
    assert dialled(Options("home", "ws://h/ocpp", ask_home=False)) == "ws://h/ocpp/home"
    assert dialled(Options("central", "ws://h/ocpp", ask_home=False)) == "ws://h/ocpp/central"


@pytest.mark.parametrize("action", ["Authorize", *ACTIONS])
def test_answers_are_ocpp(action: Action) -> None:
    check_result(action, dict(decision(action, {"idTag": "ANNA"})))


@pytest.mark.parametrize(("tag", "status"), [("ANNA", "Accepted"), ("DENY", "Invalid"), ("DENY-1", "Invalid")])
def test_who_is_accepted(tag: str, status: str) -> None:
    call = [2, "7", "Authorize", {"idTag": tag}]
    assert orjson.loads(answer(call)) == [3, "7", {"idTagInfo": {"status": status}}]
