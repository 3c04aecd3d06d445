"""Billing at home: what a session costs its driver, by the paper's equation 1. Pure.

    B = (EC x BR) + TX

EC is the energy in kWh, BR the base rate; a tariff may add a fee for the session and one for its time. TX is a
percentage of all these, or an amount for each session.

Money is Decimal, never float. Each component (energy, time, tax) is rounded to the minor unit of its currency,
half away from zero, and the total is the sum of the rounded components: what an invoice shows adds up. The
charges of a credit are those of the CDR that it cancels, with the sign turned.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from cascade.roaming.cdrs import Cdr
from cascade.roaming.model import Moment, OperatorId, RoamingModel
from cpo_central.billing.currencies import MINOR_UNITS

_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
"""More digits than a rate, a meter and a clock have together: nothing is rounded but where it is said."""

_HOUR = timedelta(hours=1) // timedelta(microseconds=1)


def _known(code: str) -> str:
    if code not in MINOR_UNITS:
        raise ValueError(f"{code!r} is no currency of ISO 4217, such as EUR")
    return code


Currency = Annotated[str, AfterValidator(_known)]

Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=6)]
"""An amount of the tariff's currency, not negative."""

TariffId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,36}$")]


class PercentTax(RoamingModel):
    """TX as a share of the energy, session and time charges."""

    percent: Annotated[Decimal, Field(ge=0, le=1000, decimal_places=4)]


class AmountTax(RoamingModel):
    """TX as an amount for each session."""

    amount: Price


class Tariff(RoamingModel):
    """What our drivers pay, at one visited operator or at all."""

    tariff_id: TariffId
    currency: Currency
    operator_id: OperatorId | None = None
    """The visited operator that it is agreed with; None: it is for all those without one of their own."""
    valid_from: Moment
    """It is for sessions that start then or later,"""
    valid_to: Moment | None = None
    """and before this."""
    base_rate: Price
    """BR, for a kWh."""
    session_fee: Price = Decimal(0)
    """For each session."""
    time_fee: Price = Decimal(0)
    """For an hour, from the session's start to its end."""
    tax: PercentTax | AmountTax

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("validTo is not after validFrom")
        amounts = [self.session_fee, *([self.tax.amount] if isinstance(self.tax, AmountTax) else [])]
        if any(amount % MINOR_UNITS[self.currency] for amount in amounts):
            raise ValueError(
                f"a fee or tax for a session is no multiple of {MINOR_UNITS[self.currency]} {self.currency}"
            )
        return self

    def fits(self, visited: str, started: datetime) -> bool:
        """Whether it is for a session at this operator that began at this moment."""
        return (
            self.operator_id in {None, visited}
            and self.valid_from <= started
            and (self.valid_to is None or started < self.valid_to)
        )


class Charges(RoamingModel):
    """What one session costs, in the currency of its tariff; all negative in a credit."""

    energy: Decimal
    """EC x BR"""
    session: Decimal
    time: Decimal
    tax: Decimal
    """TX"""
    total: Decimal
    """B"""

    @property
    def net(self) -> Decimal:
        """Without the tax."""
        return self.total - self.tax

    def reversed(self) -> "Charges":
        """What takes these back."""
        return Charges(
            energy=-self.energy, session=-self.session, time=-self.time, tax=-self.tax, total=-self.total
        )


class Line(NamedTuple):
    """A session of one of our drivers at another operator, or the credit of one, and what it costs."""

    cdr: Cdr
    tariff: Tariff | None
    """As it was when the session was priced; None: it waits for one that fits."""
    charges: Charges | None


class Total(NamedTuple):
    """The sum of several lines of one currency."""

    key: str
    currency: str | None
    """None: of those that wait for a tariff."""
    sessions: int
    """Those that credits have not cancelled."""
    credits: int
    energy_wh: int
    net: Decimal
    tax: Decimal
    total: Decimal


def choose(tariffs: Iterable[Tariff], visited: str, started: datetime) -> Tariff | None:
    """The tariff of a session: one agreed with its operator before one for all, then the youngest."""
    fitting = [tariff for tariff in tariffs if tariff.fits(visited, started)]
    return max(fitting, key=lambda tariff: (tariff.operator_id is not None, tariff.valid_from), default=None)


def conflict(new: Tariff, tariffs: Iterable[Tariff]) -> str | None:
    """Why a tariff cannot be added: it is there, or nothing would decide between it and another."""
    for tariff in tariffs:
        if tariff.tariff_id == new.tariff_id:
            return f"there is a tariff {new.tariff_id}: what was priced with it keeps it, so add another"
        if (tariff.operator_id, tariff.valid_from) == (new.operator_id, new.valid_from):
            return f"tariff {tariff.tariff_id} begins at the same moment for the same operator"
    return None


def price(tariff: Tariff, cdr: Cdr) -> Charges:
    """The charges of a session, which is not a credit.

    Args:
        tariff: one that fits it.
        cdr: its CDR, plausible: energy and time are not negative.
    """
    unit = MINOR_UNITS[tariff.currency]
    duration = (cdr.session_end - cdr.session_start) // timedelta(microseconds=1)
    energy = _share(tariff.base_rate, cdr.energy_wh, 1000, unit)
    time = _share(tariff.time_fee, duration, _HOUR, unit)
    session = tariff.session_fee.quantize(unit)
    net = energy + session + time
    match tariff.tax:
        case PercentTax(percent=percent):
            tax = _EXACT.quantize(_EXACT.divide(_EXACT.multiply(net, percent), Decimal(100)), unit)
        case AmountTax(amount=amount):
            tax = amount.quantize(unit)
    return Charges(energy=energy, session=session, time=time, tax=tax, total=net + tax)


def _share(rate: Decimal, quantity: int, per: int, unit: Decimal) -> Decimal:
    """A rate for `per` of something, for this quantity of it."""
    exact = _EXACT.divide(_EXACT.multiply(rate, Decimal(quantity)), Decimal(per))
    return _EXACT.quantize(exact, unit)


def totals(lines: Iterable[Line], key: Callable[[Cdr], str]) -> list[Total]:
    """The sum of the lines with the same key and currency, in their order."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((key(line.cdr), line.tariff.currency if line.tariff else ""), []).append(line)
    return [_total(who, currency or None, groups[who, currency]) for who, currency in sorted(groups)]


def _total(key: str, currency: str | None, lines: list[Line]) -> Total:
    charges = [line.charges for line in lines if line.charges is not None]
    credited = sum(line.cdr.credit_reference_id is not None for line in lines)
    zero = Decimal(0)
    return Total(
        key=key,
        currency=currency,
        sessions=len(lines) - 2 * credited,
        credits=credited,
        energy_wh=sum(line.cdr.energy_wh for line in lines),
        net=sum((one.net for one in charges), zero),
        tax=sum((one.tax for one in charges), zero),
        total=sum((one.total for one in charges), zero),
    )
