import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from cascade.errors import SecurityFaultError
from cascade.roaming import tickets

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EXPIRY = NOW + timedelta(minutes=10)
EXPIRES = int(EXPIRY.timestamp())
CLAIMS: dict[str, object] = {
    "iss": "nap",
    "sub": "C2",
    "aud": "C1",
    "iat": int(NOW.timestamp()),
    "exp": EXPIRES,
}


class Keys(NamedTuple):
    private: str
    public: str


def new_keys() -> Keys:
    key = Ed25519PrivateKey.generate()
    return Keys(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


HUB, STRANGER = new_keys(), new_keys()


def issued() -> str:
    return tickets.issue(HUB.private, visited="C2", home="C1", now=NOW, expiry=EXPIRY)


def signed(claims: dict[str, object]) -> str:
    return jwt.encode(claims, HUB.private, algorithm="EdDSA")


def verify(ticket: str, *, visited: str = "C2", home: str = "C1", now: datetime = NOW) -> datetime:
    return tickets.verify(ticket, HUB.public, visited=visited, home=home, now=now)


def part(content: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(content)).rstrip(b"=").decode()


def test_a_ticket_holds_until_its_expiry() -> None:
    assert verify(issued()) == EXPIRY
    assert verify(issued(), now=EXPIRY - timedelta(seconds=1)) == EXPIRY


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=1)])
def test_then_it_has_ended(late: timedelta) -> None:
    with pytest.raises(SecurityFaultError, match="has ended: ask the hub"):
        verify(issued(), now=EXPIRY + late)


def test_only_the_given_time_counts() -> None:
    then = datetime(1999, 1, 1, tzinfo=UTC)
    ticket = tickets.issue(HUB.private, visited="C2", home="C1", now=then, expiry=then + timedelta(hours=1))
    assert verify(ticket, now=then) == then + timedelta(hours=1)


def test_it_is_for_one_bearer_and_one_home() -> None:
    with pytest.raises(SecurityFaultError):
        verify(issued(), visited="C3")
    with pytest.raises(SecurityFaultError):
        verify(issued(), home="C3")


def test_a_strangers_signature_does_not_hold() -> None:
    forged = tickets.issue(STRANGER.private, visited="C2", home="C1", now=NOW, expiry=EXPIRY)
    with pytest.raises(SecurityFaultError, match="does not hold"):
        verify(forged)


def test_claims_cannot_be_changed() -> None:
    header, _, signature = issued().split(".")
    with pytest.raises(SecurityFaultError):
        verify(f"{header}.{part({**CLAIMS, 'exp': EXPIRES + 1})}.{signature}")


def test_a_ticket_without_a_signature_does_not_hold() -> None:
    for algorithm in ("none", "None", "NONE"):
        with pytest.raises(SecurityFaultError):
            verify(f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(CLAIMS)}.")


def test_the_public_key_is_no_shared_secret() -> None:
    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(CLAIMS)}"
    mac = hmac.new(HUB.public.encode(), text.encode(), hashlib.sha256).digest()
    with pytest.raises(SecurityFaultError):
        verify(f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp"])
def test_every_claim_is_needed(claim: str) -> None:
    with pytest.raises(SecurityFaultError):
        verify(signed({name: value for name, value in CLAIMS.items() if name != claim}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "somebody"),
        ("exp", "soon"),
        ("exp", 10**30),
        ("exp", 1e308),
        ("exp", None),
        ("exp", [1]),
        ("sub", 7),
        ("aud", {"C1": 1}),
    ],
)
def test_odd_claims_do_not_hold(claim: str, value: object) -> None:
    with pytest.raises(SecurityFaultError):
        verify(signed({**CLAIMS, claim: value}))


@given(st.text())
def test_garbage_does_not_hold(ticket: str) -> None:
    with pytest.raises(SecurityFaultError):
        verify(ticket)


@pytest.mark.parametrize(
    "ticket", ["a.b.c", "..", "\udcff.\udcff.\udcff", "é.é.é", part([]) + "." + part([]) + "."]
)
def test_what_only_looks_like_a_ticket_does_not_hold(ticket: str) -> None:
    with pytest.raises(SecurityFaultError):
        verify(ticket)


def rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize("key", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_with_a_key_that_is_none_no_ticket_holds(key: str) -> None:
    with pytest.raises(SecurityFaultError):
        tickets.verify(issued(), key, visited="C2", home="C1", now=NOW)


def test_with_a_key_of_another_kind_no_ticket_holds() -> None:
    with pytest.raises(SecurityFaultError):
        tickets.verify(issued(), rsa_key(), visited="C2", home="C1", now=NOW)
