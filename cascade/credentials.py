"""Credentials that are kept as argon2 hashes, checked when their owner knocks."""

import asyncio
import hashlib
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cascade.admission import CrowdedError, PutOff

AT_ONCE = 2
"""Verifications at a time."""

WAITING_MAX, OF_ONE_ADDRESS_MAX, OF_ONE_IDENTITY_MAX = 64, 32, 4
"""Verifications in work or waiting; those of one identity count for each address that they come from."""

WRONG_MAX = 4096
"""Wrong credentials remembered."""

NICENESS = 10
"""Of the threads that verify: they take what processor time the event loop leaves."""


class CredentialCheck:
    """Checks credentials against their hashes.

    argon2 takes a tenth of a second of processor time on purpose. It runs on threads that give way to the event
    loop, and what it found is recognised by a keyed digest: thousands of known ones can come back at once, and
    a wrong one that is shown again and again costs nothing. Few may wait for it, fewer of one address (which
    many may share, behind a proxy), very few of one identity: who guesses keeps nobody else waiting for long.

    Args:
        hasher: that of the hashes; for an identity that has none it takes as long.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._verified: dict[str, bytes] = {}
        self._wrong: dict[bytes, None] = {}
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2", initializer=_give_way)
        self._waiting: Counter[tuple[str, ...]] = Counter()
        self._takes_s = 0.1
        """How long the last verification took."""
        self._put_off = PutOff()

    async def is_right(
        self, identity: str, secret_hash: str | None, secret: str, *, remote: str | None = None
    ) -> bool:
        """Whether a credential is the one of this hash.

        Args:
            identity: who shows it.
            secret_hash: argon2; None: there is none, which shows in no shorter time.
            secret: what is shown.
            remote: the address that it comes from; None: addresses are not told apart.

        Raises:
            CrowdedError: too many wait for verification already.
        """
        digest = hashlib.sha256(f"{secret_hash}\0{secret}".encode()).digest()
        if self._is_known(identity, digest):
            return True
        if digest in self._wrong:
            return False
        with self._place(identity, remote):
            right = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._verify, identity, digest, secret_hash, secret
            )
        if not right:
            self._wrong[digest] = None
            if len(self._wrong) > WRONG_MAX:
                del self._wrong[next(iter(self._wrong))]
        return right

    def _is_known(self, identity: str, digest: bytes) -> bool:
        return secrets.compare_digest(self._verified.get(identity, b""), digest)

    @contextmanager
    def _place(self, identity: str, remote: str | None) -> Iterator[None]:
        """One of the places to wait for verification."""
        limits = {(): WAITING_MAX, ("identity", identity, remote or ""): OF_ONE_IDENTITY_MAX}
        if remote is not None:
            limits["address", remote] = OF_ONE_ADDRESS_MAX
        if any(self._waiting[key] >= most for key, most in limits.items()):
            raise self._crowded()
        self._waiting.update(limits.keys())
        try:
            yield
        finally:
            for key in limits:
                self._waiting[key] -= 1
                if not self._waiting[key]:
                    del self._waiting[key]

    def _crowded(self) -> CrowdedError:
        now, each_s = time.monotonic(), self._takes_s / AT_ONCE
        return self._put_off.next(now, free_at=now + self._waiting[()] * each_s, each_s=each_s)

    def _verify(self, identity: str, digest: bytes, secret_hash: str | None, secret: str) -> bool:
        """On a thread. What is right is remembered here: whoever waited for it may have left."""
        if self._is_known(identity, digest):
            return True
        began = time.monotonic()
        right = self._matches(secret_hash, secret)
        self._takes_s = time.monotonic() - began
        if right:
            self._verified[identity] = digest
        return right

    def _matches(self, secret_hash: str | None, secret: str) -> bool:
        try:
            if secret_hash is None:
                self._hasher.hash(secret)
                return False
            return self._hasher.verify(secret_hash, secret)
        except (VerificationError, InvalidHashError):
            return False


def _give_way() -> None:
    if sys.platform == "linux":  # elsewhere it would hold for the whole process
        os.nice(NICENESS)
