import dataclasses

import pytest

from nap.decisions.outcome import Answer, Forward, Refuse


@pytest.mark.parametrize("outcome", [Answer(1), Forward("C1"), Refuse("Code", "what to do")])
def test_outcomes_are_values(outcome: Answer[int] | Forward | Refuse) -> None:
    assert outcome == dataclasses.replace(outcome)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(outcome, dataclasses.fields(outcome)[0].name, "other")


def test_an_answer_is_the_hubs_unless_said_otherwise() -> None:
    assert Answer(1) == Answer(1, decided_by="hub", reason="")
