from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cascade.roaming.cdrs import SESSION_MAX_WH, Cdr
from cpo_central.billing.currencies import MINOR_UNITS
from cpo_central.billing.pricing import (
    AmountTax,
    Charges,
    Line,
    PercentTax,
    Tariff,
    Total,
    choose,
    conflict,
    price,
    totals,
)
from tests.cpo_central.cdrs.test_decisions import END, START, cdr

YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def tariff(**other: object) -> Tariff:
    given: dict[str, Any] = {
        "tariff_id": "t-1",
        "currency": "EUR",
        "valid_from": YEAR,
        "base_rate": Decimal("0.40"),
        "tax": PercentTax(percent=Decimal(11)),
    }
    return Tariff(**{**given, **other})


def charges(energy: str, session: str, time: str, tax: str, total: str) -> Charges:
    return Charges(
        energy=Decimal(energy),
        session=Decimal(session),
        time=Decimal(time),
        tax=Decimal(tax),
        total=Decimal(total),
    )


# --- the price of a session: 7.5 kWh in an hour --------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, charges("3.00", "0.00", "0.00", "0.33", "3.33")),
        ({"tax": AmountTax(amount=Decimal("0.5"))}, charges("3.00", "0.00", "0.00", "0.50", "3.50")),
        (
            {"session_fee": Decimal("0.35"), "time_fee": Decimal("1.2")},
            charges("3.00", "0.35", "1.20", "0.50", "5.05"),
        ),
        ({"base_rate": Decimal("0.33")}, charges("2.48", "0.00", "0.00", "0.27", "2.75")),
        (
            {"currency": "JPY", "base_rate": Decimal(31)},
            charges("233", "0", "0", "26", "259"),
        ),
        (
            {"currency": "KWD", "base_rate": Decimal("0.0111")},
            charges("0.083", "0.000", "0.000", "0.009", "0.092"),
        ),
    ],
)
def test_the_paper_s_equation_with_each_component_rounded(other: dict[str, Any], expected: Charges) -> None:
    assert price(tariff(**other), cdr()).wire() == expected.wire()


def test_half_a_minor_unit_is_rounded_up() -> None:
    rate = tariff(base_rate=Decimal("0.001"))
    assert price(rate, cdr(meter_start=0, meter_stop=5000)).energy == Decimal("0.01")
    assert price(rate, cdr(meter_start=0, meter_stop=4999)).energy == Decimal("0.00")


def test_time_is_charged_by_the_microsecond() -> None:
    hourly = tariff(time_fee=Decimal(36))
    assert price(hourly, cdr(session_end=START + timedelta(seconds=1, microseconds=499_999))).time == Decimal(
        "0.01"
    )
    assert price(hourly, cdr(session_end=START + timedelta(seconds=1, microseconds=500_000))).time == Decimal(
        "0.02"
    )


rates = st.decimals(0, 999_999, places=6)
percents = st.decimals(0, 1000, places=4).map(lambda percent: PercentTax(percent=percent))
currencies = st.sampled_from(sorted(MINOR_UNITS))


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    currency = draw(currencies)
    unit = MINOR_UNITS[currency]
    amounts = st.integers(0, 10**6 - 1).map(lambda units: units * unit)
    return tariff(
        currency=currency,
        base_rate=draw(rates),
        time_fee=draw(rates),
        session_fee=draw(amounts),
        tax=draw(percents | amounts.map(lambda amount: AmountTax(amount=amount))),
    )


energies = st.integers(0, SESSION_MAX_WH)
durations = st.timedeltas(timedelta(0), timedelta(days=365))


def session(energy_wh: int, duration: timedelta) -> Cdr:
    return cdr(meter_start=0, meter_stop=energy_wh, session_end=START + duration)


@given(tariffs(), energies, durations)
def test_what_an_invoice_shows_adds_up(rate: Tariff, energy_wh: int, duration: timedelta) -> None:
    made = price(rate, session(energy_wh, duration))
    unit = MINOR_UNITS[rate.currency]
    assert made.total == made.energy + made.session + made.time + made.tax
    assert made.net == made.energy + made.session + made.time
    for amount in (made.energy, made.session, made.time, made.tax, made.total):
        assert amount >= 0
        assert amount.as_tuple().exponent == unit.as_tuple().exponent
    assert abs(made.energy - rate.base_rate * energy_wh / 1000) <= unit / 2


@given(tariffs(), energies, durations)
def test_a_credit_and_its_original_cost_nothing_together(
    rate: Tariff, energy_wh: int, duration: timedelta
) -> None:
    original = session(energy_wh, duration)
    made = price(rate, original)
    lines = [
        Line(original, rate, made),
        Line(original.credited_by(uuid4()), rate, made.reversed()),
    ]
    (total,) = totals(lines, lambda record: record.operator_id)
    assert (total.sessions, total.credits, total.energy_wh) == (0, 1, 0)
    assert total.net == total.tax == total.total == 0
    assert made.reversed().reversed() == made


@given(tariffs(), energies, energies, durations)
def test_more_energy_never_costs_less(rate: Tariff, one: int, other: int, duration: timedelta) -> None:
    less, more = sorted((one, other))
    assert price(rate, session(less, duration)).total <= price(rate, session(more, duration)).total


@given(tariffs(), energies, durations, durations)
def test_more_time_never_costs_less(rate: Tariff, energy_wh: int, one: timedelta, other: timedelta) -> None:
    less, more = sorted((one, other))
    assert price(rate, session(energy_wh, less)).total <= price(rate, session(energy_wh, more)).total


@given(tariffs())
def test_a_tariff_and_charges_come_back_as_they_were_kept(rate: Tariff) -> None:
    assert Tariff.model_validate_json(rate.wire()) == rate
    made = price(rate, cdr())
    assert Charges.model_validate_json(made.wire()).wire() == made.wire()


# --- what is a tariff ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        ({"base_rate": 0.4}, "base_rate|baseRate"),
        ({"base_rate": Decimal(-1)}, "greater than or equal"),
        ({"base_rate": Decimal("0.0000001")}, "decimal places"),
        ({"base_rate": Decimal("NaN")}, "finite"),
        ({"currency": "EURO"}, "no currency"),
        ({"currency": "eur"}, "no currency"),
        ({"valid_to": YEAR}, "not after"),
        ({"session_fee": Decimal("0.005")}, "no multiple of 0.01 EUR"),
        ({"currency": "JPY", "tax": AmountTax(amount=Decimal("0.5"))}, "no multiple of 1 JPY"),
        ({"tariff_id": "a b"}, "pattern"),
    ],
)
def test_what_is_no_tariff(other: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        tariff(**other)


def test_the_currencies_have_the_minor_units_of_iso_4217() -> None:
    assert {code: MINOR_UNITS[code] for code in ("EUR", "IDR", "JPY", "KWD")} == {
        "EUR": Decimal("0.01"),
        "IDR": Decimal("0.01"),
        "JPY": Decimal(1),
        "KWD": Decimal("0.001"),
    }
    assert all(len(code) == 3 and code.isupper() for code in MINOR_UNITS)


# --- which tariff -------------------------------------------------------------------------------------------


def test_a_tariff_is_chosen_by_operator_then_by_age() -> None:
    general = tariff(tariff_id="general")
    younger = tariff(tariff_id="younger", valid_from=datetime(2026, 3, 1, tzinfo=UTC))
    agreed = tariff(tariff_id="agreed", operator_id="C2", valid_to=datetime(2026, 2, 1, tzinfo=UTC))
    known = [general, younger, agreed]
    april, january = datetime(2026, 4, 1, tzinfo=UTC), YEAR
    assert choose(known, "C2", january) is agreed
    assert choose(known, "C3", january) is general
    assert choose(known, "C2", april) is younger
    assert choose(known, "C2", january - timedelta(microseconds=1)) is None
    assert choose(known, "C2", datetime(2026, 2, 1, tzinfo=UTC)) is general, "the end is not included"
    assert choose([], "C2", january) is None


@pytest.mark.parametrize(
    ("other", "contradicts"),
    [
        ({}, True),
        ({"tariff_id": "t-2"}, True),
        ({"tariff_id": "t-2", "operator_id": "C2"}, False),
        ({"tariff_id": "t-2", "valid_from": YEAR + timedelta(days=1)}, False),
    ],
)
def test_of_two_tariffs_one_must_come_first(other: dict[str, Any], contradicts: bool) -> None:  # noqa: FBT001 - drawn
    assert (conflict(tariff(**other), [tariff()]) is not None) is contradicts


# --- totals -------------------------------------------------------------------------------------------------


def test_totals_keep_currencies_and_what_is_not_priced_apart() -> None:
    euro, yen = tariff(), tariff(currency="JPY", base_rate=Decimal(31))
    records = [cdr(cdr_id=UUID(int=number), session_end=END) for number in range(4)]
    lines = [
        Line(records[0], euro, price(euro, records[0])),
        Line(records[1], euro, price(euro, records[1])),
        Line(records[2], yen, price(yen, records[2])),
        Line(records[3], None, None),
    ]
    assert totals(lines, lambda record: record.operator_id) == [
        Total("C2", None, 1, 0, 7500, Decimal(0), Decimal(0), Decimal(0)),
        Total("C2", "EUR", 2, 0, 15_000, Decimal("6.00"), Decimal("0.66"), Decimal("6.66")),
        Total("C2", "JPY", 1, 0, 7500, Decimal(233), Decimal(26), Decimal(259)),
    ]
