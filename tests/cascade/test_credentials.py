import asyncio
import os
import sys
import threading
from collections.abc import Awaitable

import pytest
from argon2 import PasswordHasher

from cascade import credentials
from cascade.admission import CrowdedError
from cascade.credentials import NICENESS, CredentialCheck

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


async def test_only_the_credential_of_the_hash_is_right() -> None:
    check = CredentialCheck()
    kept = QUICK.hash("secret")
    assert await check.is_right("A", kept, "secret")
    assert await check.is_right("A", kept, "secret"), "recognised"
    assert not await check.is_right("A", kept, "Secret")
    assert not await check.is_right("A", QUICK.hash("other"), "secret"), "it has been changed"
    assert not await check.is_right("A", None, "secret"), "it has been taken away"
    assert not await check.is_right("A", "damaged", "secret")
    assert await check.is_right("B", kept, "secret")


async def test_many_come_back_at_once() -> None:
    check = CredentialCheck()
    kept = PasswordHasher().hash("secret")
    assert await check.is_right("A", kept, "secret")
    async with asyncio.timeout(1):
        assert all(await asyncio.gather(*(check.is_right("A", kept, "secret") for _ in range(2000))))


class WatchedCheck(CredentialCheck):
    """Keeps what it verifies, and verifies only while it may."""

    def __init__(self) -> None:
        super().__init__()
        self.verified: list[str] = []
        self.niceness: set[int] = set()
        self.verifying, self.may_verify = threading.Event(), threading.Event()
        self.may_verify.set()

    def _matches(self, secret_hash: str | None, secret: str) -> bool:
        self.verified.append(secret)
        self.niceness.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        self.verifying.set()
        self.may_verify.wait(10)
        return super()._matches(secret_hash, secret)


async def outcomes(*checks: Awaitable[bool]) -> list[bool | None]:
    """What came of each; None: too many waited."""
    done = await asyncio.gather(*checks, return_exceptions=True)
    assert all(isinstance(outcome, bool | CrowdedError) for outcome in done)
    return [outcome if isinstance(outcome, bool) else None for outcome in done]


async def test_a_wrong_credential_is_hashed_once() -> None:
    check = WatchedCheck()
    kept = QUICK.hash("secret")
    for _ in range(3):
        assert not await check.is_right("A", kept, "wrong")
        assert not await check.is_right("nobody", None, "wrong")
    assert check.verified == ["wrong", "wrong"]
    assert await check.is_right("A", QUICK.hash("wrong"), "wrong"), "it has been changed to this one"


async def test_only_so_many_wrong_ones_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "WRONG_MAX", 2)
    check = WatchedCheck()
    kept = QUICK.hash("secret")
    for secret in ("a", "b", "c", "b", "a"):
        assert not await check.is_right("A", kept, secret)
    assert check.verified == ["a", "b", "c", "a"]


async def test_who_guesses_for_one_identity_does_not_keep_out_others_or_its_owner() -> None:
    check = CredentialCheck()
    kept = QUICK.hash("secret")
    guesses = [check.is_right("A", kept, f"guess {n}", remote="thief") for n in range(100)]
    others = [check.is_right(name, kept, "secret", remote="thief") for name in ("B", "C")]
    done = await outcomes(*guesses, *others, check.is_right("A", kept, "secret", remote="home"))
    assert done == [False] * 4 + [None] * 96 + [True] * 3


async def test_one_address_does_not_take_all_places() -> None:
    check = CredentialCheck()
    kept = QUICK.hash("secret")
    guesses = [check.is_right(f"A{n}", kept, "guess", remote="thief") for n in range(100)]
    done = await outcomes(*guesses, check.is_right("B", kept, "secret", remote="home"))
    assert done == [False] * 32 + [None] * 68 + [True]


async def test_all_together_have_so_many_places_and_they_become_free() -> None:
    check = CredentialCheck()
    kept = QUICK.hash("secret")
    for _ in range(2):
        guesses = [check.is_right(f"A{n}", kept, f"guess {_}") for n in range(100)]
        assert await outcomes(*guesses) == [False] * 64 + [None] * 36


async def test_those_who_are_put_off_come_back_one_after_the_other() -> None:
    check = CredentialCheck()
    guesses = [check.is_right("A", None, f"guess {n}") for n in range(100)]
    crowded = [e for e in await asyncio.gather(*guesses, return_exceptions=True) if isinstance(e, CrowdedError)]
    told = [error.retry_after_s for error in crowded]
    assert told == sorted(told)
    assert told[0] < told[-1]


async def test_a_known_one_does_not_wait_behind_those_that_are_verified() -> None:
    check = WatchedCheck()
    kept = QUICK.hash("secret")
    assert await check.is_right("A", kept, "secret")
    check.may_verify.clear()
    guesses = [asyncio.create_task(check.is_right("A", kept, f"guess {n}")) for n in range(4)]
    assert await check.is_right("A", kept, "secret")
    check.may_verify.set()
    assert await outcomes(*guesses) == [False] * 4


async def test_what_was_verified_is_remembered_if_who_waited_for_it_has_left() -> None:
    check = WatchedCheck()
    kept = QUICK.hash("secret")
    check.may_verify.clear()
    impatient = asyncio.create_task(check.is_right("A", kept, "secret"))
    await asyncio.to_thread(check.verifying.wait, 10)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    check.may_verify.set()
    await asyncio.to_thread(check._threads.shutdown)
    assert await check.is_right("A", kept, "secret")


async def test_many_knocks_with_one_credential_are_verified_once_or_twice() -> None:
    check = WatchedCheck()
    kept = QUICK.hash("secret")
    assert await outcomes(*(check.is_right("A", kept, "secret") for _ in range(4))) == [True] * 4
    assert len(check.verified) <= credentials.AT_ONCE


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness is of processes")
async def test_verification_gives_way_to_the_event_loop() -> None:
    check = WatchedCheck()
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert await check.is_right("A", QUICK.hash("secret"), "secret")
    assert check.niceness == {min(ours + NICENESS, 19)}
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours
