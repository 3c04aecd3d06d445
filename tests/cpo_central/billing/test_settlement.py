from datetime import timedelta
from uuid import uuid4

import pytest

from cascade.database import Database
from cascade.roaming.cdrs import Authorization, Cdr, CdrStatus, DeliveryStatus
from cascade.roaming.ledgers import Entry, Period
from cpo_central.billing.settlement import OwedToUs, owed_to_us, read_ledger, sent
from cpo_central.cdrs.intake import Intake
from cpo_central.cdrs.outbox import Outbox
from cpo_central.drivers.token_csv import read_token
from cpo_central.drivers.tokens import TokenStore
from tests.cpo_central.cdrs.test_decisions import END, cdr
from tests.cpo_central.cdrs.test_delivery import put

PERIOD = Period(END, END + timedelta(seconds=1))


def through_hub(**other: object) -> Cdr:
    return cdr(cdr_id=uuid4(), authorization=Authorization.HUB, home_operator_id=None, **other)


@pytest.fixture
async def intake(database: Database) -> Intake:
    await TokenStore(database).put([read_token({"idTag": "HOME0001"})])
    return Intake(database)


async def test_the_ledger_of_a_period_has_what_was_sent_and_received(
    intake: Intake, database: Database
) -> None:
    to_peer, to_hub = cdr(cdr_id=uuid4(), home_operator_id="C3"), through_hub()
    late = through_hub(session_end=PERIOD.end)
    from_peer, from_hub = cdr(operator_id="C4", cdr_id=uuid4()), through_hub(operator_id="C4")
    credit = from_hub.credited_by(uuid4())
    await put(database, to_peer, to_hub, late)
    await intake.take([from_peer], "C4", END)
    await intake.take([from_hub, credit], None, END)
    ledger = await database.scan(lambda connection: read_ledger(connection, "C2", PERIOD))
    assert (ledger.operator_id, ledger.period) == ("C2", PERIOD)
    told = {
        entry.cdr_id: (entry.direction, entry.route, entry.visited, entry.home, entry.energy_wh, entry.state)
        for entry in ledger.entries
    }
    assert told == {
        to_peer.cdr_id: ("sent", "peer", "C2", "C3", 7500, "Queued"),
        to_hub.cdr_id: ("sent", "hub", "C2", None, 7500, "Queued"),
        from_peer.cdr_id: ("received", "peer", "C4", "C2", 7500, "Received"),
        from_hub.cdr_id: ("received", "hub", "C4", "C2", 7500, "Received"),
        credit.cdr_id: ("received", "hub", "C4", "C2", -7500, "Received"),
    }
    assert {entry.digest for entry in ledger.entries} == {
        record.digest() for record in (to_peer, to_hub, from_peer, from_hub, credit)
    }


async def test_what_home_has_taken_is_owed_to_us(database: Database) -> None:
    records = [through_hub() for _ in range(4)]
    credit = records[0].credited_by(uuid4())
    await put(database, *records, credit)
    said = (
        (records[0], DeliveryStatus.ACCEPTED),
        (records[1], DeliveryStatus.DELIVERED),
        (records[2], DeliveryStatus.REJECTED),
        (credit, DeliveryStatus.ACCEPTED),
    )
    await Outbox(database).note([CdrStatus(cdr_id=record.cdr_id, status=status) for record, status in said])
    entries: list[Entry] = await database.scan(lambda connection: sent(connection, PERIOD))
    assert len(entries) == 5
    assert owed_to_us(entries) == [OwedToUs(home=None, sessions=1, credits=1, energy_wh=7500)]
