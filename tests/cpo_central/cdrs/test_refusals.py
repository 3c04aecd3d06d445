from datetime import timedelta

from cascade.database import Database
from cpo_central.cdrs.intake import Intake
from cpo_central.cdrs.refusals import RefusedCdr, refused
from cpo_central.drivers.token_csv import read_token
from cpo_central.drivers.tokens import TokenStore
from tests.cpo_central.cdrs.test_decisions import END, cdr

UNKNOWN = "UnknownToken: the idTag is not one of ours"


async def test_what_we_refuse_is_shown_until_we_take_it(database: Database) -> None:
    store, later = Intake(database), END + timedelta(minutes=1)
    for now in (END, later):
        assert [str(outcome) for outcome in await store.take([cdr()], "C2", now)] == [UNKNOWN]
    assert await refused(database) == [RefusedCdr(cdr(), "C2", UNKNOWN, "2026-01-01T11:01:00Z")]
    await TokenStore(database).put([read_token({"idTag": "HOME0001"})])
    await store.take([cdr()], "C2", later)
    assert await refused(database) == []


async def test_what_contradicts_a_cdr_is_shown_beside_it(database: Database) -> None:
    store, changed = Intake(database), cdr(meter_stop=9000)
    await TokenStore(database).put([read_token({"idTag": "HOME0001"})])
    await store.take([cdr()], "C2", END)
    (refusal,) = await store.take([changed], None, END)
    assert str(refusal).startswith("CdrConflict")
    await store.take([cdr()], "C2", END)
    (shown,) = await refused(database)
    assert (shown.cdr, shown.sent_by) == (changed, None)
    assert await store.prune(END) == 0
    assert await store.prune(END + timedelta(seconds=1)) == 1
    assert await refused(database) == []
