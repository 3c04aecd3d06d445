import asyncio

from argon2 import PasswordHasher

from cascade.credentials import CredentialCheck

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
