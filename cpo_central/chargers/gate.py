"""Who may connect as a charger: HTTP Basic credentials (OCPP 1.6 security profiles 1 and 2)."""

import secrets

from argon2 import PasswordHasher

from cascade.credentials import CredentialCheck
from cascade.server import Knock
from cpo_central.chargers.charge_points import ChargePointStore
from cpo_central.chargers.server import CHARGE_POINT_ID_MAX

PASSWORD_MIN = 16
"""Characters, at least (security whitepaper, AuthorizationKey)."""


def new_password() -> str:
    """A password of 20 characters, which is what an AuthorizationKey has room for."""
    return secrets.token_urlsafe(15)


def password_hash(password: str) -> str:
    """What is kept of a charger's password.

    Raises:
        ValueError: it is too short.
    """
    if len(password) < PASSWORD_MIN:
        raise ValueError(f"a charger's password has at least {PASSWORD_MIN} characters")
    return PasswordHasher().hash(password)


class ChargerGate:
    """Lets chargers in. One that has a password must show it.

    Args:
        charge_points: knows the passwords.
        required: whether those without a password stay outside.
    """

    def __init__(self, charge_points: ChargePointStore, *, required: bool) -> None:
        self._charge_points = charge_points
        self._required = required
        self._credentials = CredentialCheck()

    async def admit(self, knock: Knock) -> bool:
        """Whether a charger may connect; the user is the id in its path."""
        if len(knock.identity) > CHARGE_POINT_ID_MAX:
            return False
        secret_hash = self._charge_points.secret_hash(knock.identity)
        if secret_hash is None and not self._required:
            return True
        if knock.basic is None or knock.basic[0] != knock.identity:
            return False
        return await self._credentials.is_right(
            knock.identity, secret_hash, knock.basic[1], remote=knock.remote
        )
