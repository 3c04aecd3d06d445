"""No authorization is given by an answer older than the rules of its mode allow.

==============  ======================================================================================
whitelist       The replica in use decides, whatever its age; there is no longest one. But what the hub
                has withdrawn up to the version that the replica has acknowledged, it no longer accepts.
hub             The hub decides from the tokens that it holds: no longer by what it held before a
                publication that it has acknowledged to the home operator.
hub, redirect   The home operator decides, in this moment.
peer            Likewise; only the way to it, a referral, may be as old as its ticket allows.
start           An Accepted answer waits for the session that it lets in for `REMEMBERED_S`, and is used
                once; a start without one is authorized like a card that is shown.
==============  ======================================================================================

An answer takes time, and what it rests on may change meanwhile. So we look before the question and after the
answer, and judge it by whatever was the same both times: the answer must then be what that says, or Invalid,
for who cannot be asked. Expiry counts on the clock of whoever decides.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from sqlite3 import Connection
from typing import Any, NamedTuple

from cascade.roaming.model import id_key
from cascade.roaming.tokens import Standing, id_tag_info
from cpo_central.drivers.authorization import DecidedBy, Decision
from cpo_central.drivers.authorizer import REMEMBERED_S, Authorizer
from cpo_central.rows import STANDING, read_number

HUB = "hub"

Decider = tuple[DecidedBy, str | None]
"""Whose answer it is; of a peer: which."""


class Ground(NamedTuple):
    """What an answer rests on."""

    status: str
    """What follows from it now."""
    since: tuple[Any, ...]
    """Another for every change of it."""


class OwnRow(NamedTuple):
    """A token at home."""

    status: str
    expiry_date: str | None
    parent_id_tag: str | None
    deleted: int
    change: int
    rejection: str | None


class Ages:
    """Judges authorizations.

    Args:
        hub: its database.
        centrals: theirs, by operatorId.
        clocks: of all parties, by name.
        report: is told what is wrong.
    """

    def __init__(
        self,
        hub: Connection,
        centrals: Mapping[str, Connection],
        clocks: Mapping[str, Callable[[], datetime]],
        report: Callable[[str], None],
    ) -> None:
        self._hub = hub
        self._centrals = centrals
        self._clocks = clocks
        self.report = report
        self.jumps = 0
        """How often any clock was set."""
        self.agreements = 0
        """How often any agreement was changed: one that is back where it was has changed twice."""
        self.agreements_change = 0
        """Changes of agreements that the hub may not have noticed yet."""

    def grounds(self, visited: str, id_tag: str) -> dict[Decider, Ground]:
        """What an answer of each may rest on now; who is not in it may know nothing of the token."""
        key = id_key(id_tag)
        found: dict[Decider, Ground] = {
            (DecidedBy.PEER, home): self._by_home(home, key) for home in self._centrals if home != visited
        }
        held = self._hub.execute(
            f"SELECT {STANDING}, deleted, home, listed, version FROM tokens WHERE id_key = ?", (key,)
        ).fetchone()
        if held is None:
            return found
        *_, home, listed, version = held
        by_hub = self._by_hub(visited, home, key)
        if by_hub is not None:
            found[DecidedBy.HUB, None] = by_hub
        replica = self._centrals[visited]
        epoch, has = (read_number(replica, f"whitelist_{what}") for what in ("epoch", "version"))
        if epoch == read_number(self._hub, "epoch") and version <= has:
            standing = held[:4] if listed == 1 and home != visited else None
            found[DecidedBy.WHITELIST, None] = self._ground(visited, standing, epoch, version)
        return found

    def judge(self, visited: str, id_tag: str, before: Mapping[Decider, Ground], decision: Decision) -> None:
        """Judge an answer by what was known before the question, and is now."""
        decider = decision.decided_by, decision.home_operator_id
        ground, status = before.get(decider), decision.info["status"]
        if (
            ground is not None
            and status not in {ground.status, "Invalid"}
            and ground == self.grounds(visited, id_tag).get(decider)
        ):
            self.report(f"{id_tag} is {ground.status}, and was {status} at {visited} by {decision.decided_by}")

    def _by_home(self, home: str, key: str) -> Ground:
        own = self._own(home, key)
        return self._ground(home, own, own)

    def _by_hub(self, visited: str, home: str, key: str) -> Ground | None:
        """What follows for the hub, whichever of its modes it comes to; None: it need not know better."""
        if self.agreements_change:
            return None
        agreed, own = self._agreed(visited, home), self._own(home, key)
        grounds = [self._by_home(home, key)] if "redirect" in agreed else []
        if "hub" in agreed:
            acknowledged = self._acknowledged(home)
            if own is None or own.rejection is not None or not acknowledged >= own.change:
                return None
            grounds.append(self._ground(HUB, own, own))
        statuses = {ground.status for ground in grounds} or {"Invalid"}
        return Ground(statuses.pop(), (agreed, self.agreements, *grounds)) if len(statuses) == 1 else None

    def _ground(self, decider: str, standing: Sequence[Any] | None, *since: object) -> Ground:
        now = self._clocks[decider]()
        token = None if standing is None else Standing.read(*standing[:3], deleted=bool(standing[3]))
        return Ground(id_tag_info(token, now)["status"], (self.jumps, *since))

    def _own(self, home: str, key: str) -> OwnRow | None:
        row = (
            self._centrals[home]
            .execute(f"SELECT {STANDING}, 0, change, rejection FROM own_token WHERE id_key = ?", (key,))
            .fetchone()
        )
        return None if row is None else OwnRow._make(row)

    def _acknowledged(self, home: str) -> int:
        """Up to which change home has published, if both sides say the same of it; else 0."""
        (version,) = self._hub.execute(
            "SELECT published_version FROM operators WHERE operator_id = ?", (home,)
        ).fetchone()
        central = self._centrals[home]
        agree = version == read_number(central, "published_version")
        return read_number(central, "published_change") if agree else 0

    def _agreed(self, visited: str, home: str) -> frozenset[str]:
        """The modes in which the hub may answer."""
        read = self._hub.execute
        (consents,) = read("SELECT consents FROM operators WHERE operator_id = ?", (home,)).fetchone()
        (wants,) = read("SELECT wants FROM operators WHERE operator_id = ?", (visited,)).fetchone()
        return frozenset({"hub", "redirect"}.intersection(consents.split(), wants.split()))


class WitnessedAuthorizer(Authorizer):
    """An `Authorizer` each of whose decisions is judged.

    Args:
        ages: judges.
        operator_id: whose authorizer it is.
        parts: as `Authorizer` takes them.
    """

    def __init__(self, ages: Ages, operator_id: str, **parts: Any) -> None:  # noqa: ANN401 - of many types
        super().__init__(**parts)
        self._ages = ages
        self._operator_id = operator_id
        self._given: dict[tuple[str, str], tuple[float, Decision]] = {}
        """The last Accepted answer to each charge point about each token, until it is used."""

    async def authorize(self, charge_point_id: str, id_tag: str) -> Decision:
        """Decide, and have it judged."""
        before = self._ages.grounds(self._operator_id, id_tag)
        decision = await super().authorize(charge_point_id, id_tag)
        self._ages.judge(self._operator_id, id_tag, before, decision)
        if decision.accepted:
            self._given[charge_point_id, id_tag] = self._clock(), decision
        return decision

    async def authorize_start(self, charge_point_id: str, id_tag: str) -> Decision:
        """Take up an answer, and see that it may be."""
        decision = await super().authorize_start(charge_point_id, id_tag)
        if decision.accepted:
            given = self._given.pop((charge_point_id, id_tag), None)
            if given is None or given[1] is not decision:
                self._ages.report(f"an answer about {id_tag} has let in two sessions")
            elif self._clock() - given[0] > REMEMBERED_S:
                self._ages.report(f"an answer about {id_tag} was taken up too late")
        return decision
