"""Tickets: the hub's short-lived, signed word that one operator may ask another directly.

A ticket is a JWT (RFC 7519) signed with Ed25519. The hub signs, the home operator verifies with the key that
the hub gave it in `EndpointPublished`. Time is an argument.
"""

from datetime import datetime

import jwt

from cascade.errors import SecurityFaultError

ALGORITHM = "EdDSA"
ISSUER = "nap"


def issue(private_key: str, *, visited: str, home: str, now: datetime, expiry: datetime) -> str:
    """A ticket with which `visited` may ask `home` until `expiry`.

    Args:
        private_key: the hub's Ed25519 key, PEM.
        visited: operatorId of the bearer.
        home: operatorId of the one asked.
        now: the time of issue.
        expiry: when it ends.
    """
    claims = {
        "iss": ISSUER,
        "sub": visited,
        "aud": home,
        "iat": int(now.timestamp()),
        "exp": int(expiry.timestamp()),
    }
    return jwt.encode(claims, private_key, algorithm=ALGORITHM)


def verify(ticket: str, public_key: str, *, visited: str, home: str, now: datetime) -> datetime:
    """Check that `visited` may ask `home`; returns until when.

    Raises:
        SecurityFaultError: the ticket is forged, for somebody else, or has ended.
    """
    try:
        claims = jwt.decode(
            ticket,
            public_key,
            algorithms=[ALGORITHM],
            audience=home,
            issuer=ISSUER,
            subject=visited,
            options={"verify_exp": False, "verify_iat": False, "require": ["exp", "sub", "aud", "iss"]},
        )
        expiry = datetime.fromtimestamp(claims["exp"], tz=now.tzinfo)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise SecurityFaultError(f"the ticket does not hold: {error}") from error
    if expiry <= now:
        raise SecurityFaultError("the ticket has ended: ask the hub for another")
    return expiry
