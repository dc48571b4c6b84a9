"""The number of a gate that is built again: above every number before it, whoever drew it."""

from shared.store import epoch
from tests.store.rows import Rows


def test_a_number_is_above_the_gates_own_above_the_rows_and_above_every_one_that_was_drawn(rows: Rows) -> None:
    first = epoch.draw(rows.sql, 0)
    above_gate = epoch.draw(rows.sql, 100)
    again = epoch.draw(rows.sql, 0)
    rows.sql.execute("update epoch set number = 500")
    above_rows = epoch.draw(rows.sql, 0)

    assert first > 0
    assert (above_gate, again, above_rows) == (101, 102, 501)
