"""The examples in the documentation are messages that the code takes."""

import re
from pathlib import Path

import pytest

from cascade.frames import Call, CallResult, decode
from cascade.ocpp16 import check_request, check_result
from cascade.roaming.cdrs import Cdr, objection_to_credit
from cascade.roaming.data_transfer import EXCHANGES, read_request
from cascade.roaming.model import RoamingModel

TEXT = (Path(__file__).parent.parent / "docs" / "linking.md").read_text()
MODELS = {model.__name__: model for exchange in EXCHANGES.values() for model in exchange}
LABELLED = re.findall(r"```json (\w+)\n(.*?)```", TEXT, re.DOTALL)
REFUSAL = r'(?:Refuse|_rejected|RoamingRefused|Objection)\(\s*(?:\w+, )?"(\w+)"'
FRAMES = [line for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


def test_every_roaming_message_has_an_example() -> None:
    assert {name for name, _ in LABELLED} == set(MODELS)


@pytest.mark.parametrize(("name", "example"), LABELLED, ids=lambda value: value if value.isalnum() else "")
def test_the_example_is_valid(name: str, example: str) -> None:
    model: type[RoamingModel] = MODELS[name]
    assert model.model_validate_json(example)


def test_the_digest_in_the_documentation_is_that_of_its_cdr() -> None:
    cdr, credit = (Cdr.model_validate_json(example) for name, example in LABELLED if name == "Cdr")
    assert cdr.digest() in dict(LABELLED)["CdrReceipt"]
    assert objection_to_credit(credit, cdr, None) is None


def test_the_frames_are_frames() -> None:
    actions: dict[str, str] = {}
    assert len(FRAMES) == 4
    for text in FRAMES:
        frame = decode(text)
        match frame:
            case Call(message_id, action, payload):
                actions[message_id] = action
                check_request(action, payload)
                if action == "DataTransfer":
                    assert read_request(payload)
            case CallResult(message_id, payload):
                check_result(actions[message_id], payload)
            case _:
                pytest.fail(f"not a CALL or CALLRESULT: {text}")


def test_every_refusal_code_is_documented() -> None:
    root = Path(__file__).parent.parent
    sources = [*root.glob("nap/decisions/*.py"), root / "nap" / "hub.py", root / "cascade/roaming/cdrs.py"]
    codes = {code for source in sources for code in re.findall(REFUSAL, source.read_text())}
    assert {code for code in codes if code not in TEXT} == set()
