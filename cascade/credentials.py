"""Credentials that are kept as argon2 hashes, checked when their owner knocks."""

import asyncio
import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


class CredentialCheck:
    """Checks credentials against their hashes.

    argon2 takes tens of milliseconds on purpose: it runs on a thread, and a credential that was right once is
    recognised by a keyed digest, so that thousands can come back at once.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._verified: dict[str, bytes] = {}
        self._verifying = asyncio.Semaphore(2)

    async def is_right(self, identity: str, secret_hash: str | None, secret: str) -> bool:
        """Whether a credential is the one of this hash.

        Args:
            identity: who shows it.
            secret_hash: argon2; None: there is none, which shows in no shorter time.
            secret: what is shown.
        """
        digest = hashlib.sha256(f"{secret_hash}\0{secret}".encode()).digest()
        if secrets.compare_digest(self._verified.get(identity, b""), digest):
            return True
        async with self._verifying:
            right = await asyncio.to_thread(self._matches, secret_hash, secret)
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
