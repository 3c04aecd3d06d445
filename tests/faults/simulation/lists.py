"""The invariants of tokens, read off the disks of all parties: homes, the hub and replicas say the same.

What is acknowledged holds after every step, without anybody asking for the time: a version that the hub has
given for a publication has all of it, and a replica that says it has a version has everything up to it.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from sqlite3 import Connection
from typing import Any, NamedTuple

from cpo_central.rows import DESCRIPTION
from tests.faults.simulation.ages import HUB

Content = tuple[str, str, str | None, str | None]
"""The `DESCRIPTION` of a token."""


VERSIONS = "SELECT group_concat(value) FROM meta WHERE key <> 'ticket_key'"
HUB_VERSIONS = f"SELECT ({VERSIONS}), (SELECT group_concat(published_version) FROM operators)"


class Held(NamedTuple):
    """A token at the hub."""

    content: Content
    home: str
    deleted: int
    listed: int
    version: int

    def is_of(self, home: str) -> bool:
        """Whether an operator has it now."""
        return self.home == home and not self.deleted


class _AtHub(NamedTuple):
    held: Mapping[str, Held]
    epoch: int
    published: Mapping[str, int]
    """The version of each operator's last publication; 0: there was none."""
    listing: Collection[str]
    """The operators whose tokens are on the list."""
    wanting: Collection[str]
    """The operators that are to have the list."""


class _Knows(NamedTuple):
    """The versions that a central system says to have."""

    published_version: int
    published_change: int
    whitelist_epoch: int
    whitelist_version: int

    @classmethod
    def of(cls, central: Connection) -> "_Knows":
        values = dict(central.execute("SELECT key, value FROM meta"))
        return cls(*(int(values.get(field, 0)) for field in cls._fields))


class _AtCentral(NamedTuple):
    knows: _Knows
    acknowledged: Mapping[str, Content]
    """Its tokens of which it says that the hub has them."""
    replica: Mapping[str, Content]
    """The list in use."""

    @classmethod
    def read(cls, central: Connection) -> "_AtCentral":
        knows = _Knows.of(central)
        acknowledged = central.execute(
            f"SELECT id_key, {DESCRIPTION} FROM own_token WHERE change <= ? AND rejection IS NULL",
            (knows.published_change,),
        )
        replica = central.execute(
            f"SELECT id_key, {DESCRIPTION} FROM whitelist WHERE epoch = ?", (knows.whitelist_epoch,)
        )
        return cls(knows, {row[0]: row[1:] for row in acknowledged}, {row[0]: row[1:] for row in replica})


class Lists:
    """The tokens on the disks.

    Args:
        hub: its database.
        centrals: theirs, by operatorId.
        replicas: the operators that keep one.
    """

    def __init__(self, hub: Connection, centrals: Mapping[str, Connection], replicas: Collection[str]) -> None:
        self._hub = hub
        self._centrals = centrals
        self._replicas = replicas
        self._versions: dict[str, Any] = {}
        self._at_hub = self._read_hub()
        self._at_central = {name: _AtCentral.read(central) for name, central in centrals.items()}

    def broken_by(self, changes: Collection[str]) -> Iterator[str]:
        """What does not hold any more, if one of these parties now says to have another version."""
        moved = [name for name in changes if self._has_moved(name)]
        for name in moved:
            if name == HUB:
                self._at_hub = self._read_hub()
            else:
                self._at_central[name] = _AtCentral.read(self._centrals[name])
        return self._broken() if moved else iter(())

    def _has_moved(self, name: str) -> bool:
        database, what = (self._hub, HUB_VERSIONS) if name == HUB else (self._centrals[name], VERSIONS)
        before, self._versions[name] = self._versions.get(name), database.execute(what).fetchone()
        return bool(self._versions[name] != before)

    def _broken(self) -> Iterator[str]:
        hub = self._at_hub
        for name, central in self._at_central.items():
            if hub.published[name] and hub.published[name] == central.knows.published_version:
                yield from _not_taken(name, central.acknowledged, hub.held)
            if name in self._replicas and central.knows.whitelist_epoch == hub.epoch:
                yield from _not_followed(name, central, hub.held)

    def missing(self) -> Iterator[str]:
        """What must hold in the end, when all faults are healed."""
        hub = self._read_hub()
        for name, database in self._centrals.items():
            own = {key: content for key, content, rejection in _own(database) if rejection is None}
            theirs = {key: token.content for key, token in hub.held.items() if token.is_of(name)}
            if digest(own) != digest(theirs):
                yield f"the tokens of {name} at the hub are not its own: {_difference(theirs, own)}"
            if name in self._replicas:
                yield from _unlike_list(name, _AtCentral.read(database), hub)

    def _read_hub(self) -> "_AtHub":
        tokens = self._hub.execute(f"SELECT id_key, {DESCRIPTION}, home, deleted, listed, version FROM tokens")
        agreements = "SELECT operator_id, published_version, consents, wants FROM operators"
        operators = self._hub.execute(agreements).fetchall()
        return _AtHub(
            held={row[0]: Held(row[1:5], *row[5:]) for row in tokens},
            epoch=int(self._hub.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0]),
            published={name: version for name, version, *_ in operators},
            listing=frozenset(name for name, _, consents, _ in operators if "whitelist" in consents.split()),
            wanting=frozenset(name for name, *_, wants in operators if "whitelist" in wants.split()),
        )


def digest(tokens: Mapping[str, Content]) -> str:
    """The same for two lists that say the same."""
    return hashlib.sha256(json.dumps(sorted(tokens.items())).encode()).hexdigest()


def _not_taken(name: str, acknowledged: Mapping[str, Content], held: Mapping[str, Held]) -> Iterator[str]:
    for key, content in acknowledged.items():
        token = held.get(key)
        if token is None or token.deleted or token.home != name or token.content != content:
            yield f"{name} has published {content}, and the hub has {token}"


def _not_followed(name: str, central: _AtCentral, held: Mapping[str, Held]) -> Iterator[str]:
    version, replica = central.knows.whitelist_version, central.replica
    for key, token in held.items():
        if token.version <= version:
            listed = token.content if token.listed == 1 and token.home != name else None
            if replica.get(key) != listed:
                yield f"the replica of {name} has version {version}, with {replica.get(key)} for {token}"


def _unlike_list(name: str, central: _AtCentral, hub: _AtHub) -> Iterator[str]:
    listed = {
        key: token.content
        for key, token in hub.held.items()
        if name in hub.wanting and token.home in hub.listing and token.home != name and not token.deleted
    }
    if digest(central.replica) != digest(listed):
        yield f"the replica of {name} is not the hub's list: {_difference(central.replica, listed)}"
    if name in hub.wanting and central.knows.whitelist_epoch != hub.epoch:
        yield f"the replica of {name} is of another epoch than the hub's list"


def _own(central: Connection) -> Iterator[tuple[str, Content, str | None]]:
    for row in central.execute(f"SELECT id_key, {DESCRIPTION}, rejection FROM own_token"):
        yield row[0], row[1:5], row[5]


def _difference(has: Mapping[str, Content], should: Mapping[str, Content]) -> str:
    more, less = set(has.items()) - set(should.items()), set(should.items()) - set(has.items())
    return f"{sorted(more)} more, {sorted(less)} less"
