from collections.abc import Awaitable, Callable

import pytest

from cascade.errors import LinkLostError
from cpo_central.app import Central
from cpo_central.chargers.acceptance import Registration
from cpo_central.chargers.gate import new_password, password_hash
from tests.cpo_central.actors import Charger
from tests.cpo_central.conftest import Start

Connect = Callable[..., Awaitable[Charger]]


async def give_password(central: Central, charge_point_id: str) -> str:
    password = new_password()
    await central.charge_points.register(charge_point_id, Registration.ACCEPTED)
    await central.charge_points.set_secret_hash(charge_point_id, password_hash(password))
    return password


async def test_a_charger_that_has_a_password_must_show_it(start: Start, charger: Connect) -> None:
    central = await start()
    password = await give_password(central, "CP-1")
    await charger(central, password=password)
    await charger(central, password=password)
    for wrong in (None, "", password + "x", new_password()):
        with pytest.raises(LinkLostError, match="HTTP 401"):
            await charger(central, password=wrong)
    await charger(central, "CP-2")
    await charger(central, "CP-3", password="it has none")
    with pytest.raises(LinkLostError, match="HTTP 401"):
        await charger(central, "CP-1", password=await give_password(central, "CP-4"))


async def test_a_new_password_counts_at_once(start: Start, charger: Connect) -> None:
    central = await start()
    old = await give_password(central, "CP-1")
    await charger(central, password=old)
    new = await give_password(central, "CP-1")
    with pytest.raises(LinkLostError, match="HTTP 401"):
        await charger(central, password=old)
    await charger(central, password=new)


async def test_passwords_can_be_required_of_all(start: Start, charger: Connect) -> None:
    central = await start(charger_credentials="required")
    password = await give_password(central, "CP-1")
    await charger(central, password=password)
    for identity, shown in (("CP-1", None), ("CP-2", None), ("CP-2", password)):
        with pytest.raises(LinkLostError, match="HTTP 401"):
            await charger(central, identity, password=shown)


def test_passwords() -> None:
    assert len(new_password()) == 20
    assert new_password() != new_password()
    assert new_password() not in password_hash(new_password())
    with pytest.raises(ValueError, match="16"):
        password_hash("fifteen letters")
