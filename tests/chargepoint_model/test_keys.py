import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_model import keys
from chargepoint_model.keys import KEYS


@pytest.mark.parametrize(
    ("rule", "text", "taken"),
    [
        (keys.whole(1), "60", "60"),
        (keys.whole(1), "060", "60"),
        (keys.whole(1), "0", None),
        (keys.whole(0, 10), "11", None),
        (keys.whole(0), "-1", None),
        (keys.whole(0), "soon", None),
        (keys.whole(0), "", None),
        (keys.whole(0), "9" * 500, None),
        (keys.whole(0), "٣", None),
        (keys.flag, "TRUE", "true"),
        (keys.flag, "false", "false"),
        (keys.flag, "1", None),
        (keys.measurands, "", ""),
        (keys.measurands, "Voltage, Power.Active.Import", "Voltage,Power.Active.Import"),
        (keys.measurands, "Voltage,Colour", None),
        (keys.measurands, "Voltage,Voltage", None),
        (keys.measurands, "Voltage,", None),
        (keys.matching("a+"), "aa", "aa"),
        (keys.matching("a+"), "aab", None),
    ],
)
def test_what_a_rule_takes(rule: keys.Rule, text: str, taken: str | None) -> None:
    assert rule(text) == taken


@pytest.mark.parametrize(("name", "key"), KEYS.items())
def test_a_first_value_keeps_its_own_rule(name: str, key: keys.Key) -> None:
    assert len(name) <= 50
    assert len(key.value) <= 500
    unset = name in {"AuthorizationKey", "CpoName"}
    assert key.rule is None or unset or key.rule(key.value) == key.value


@given(st.sampled_from([key for key in KEYS.values() if key.rule]), st.text(max_size=30))
def test_what_is_taken_is_taken_again(key: keys.Key, text: str) -> None:
    assert key.rule is not None
    taken = key.rule(text)
    assert taken is None or key.rule(taken) == taken
