"""Which attempts the reaper reads at all: those that a clock has run out on, the longest dead first (REA-2)."""

from datetime import timedelta

import pytest

from shared.store import liveness
from tests.store.rows import Rows

GRACE = timedelta(seconds=15)


def suspected(rows: Rows, most: int = 10) -> list[int]:
    return [it.token for it in liveness.suspects(rows.sql, GRACE, most)]


def test_an_attempt_within_its_leases_is_not_even_read(rows: Rows) -> None:
    rows.running()

    assert suspected(rows) == []


@pytest.mark.parametrize(
    "change",
    [
        "heartbeat_expires_at = now() - interval '16 s', claimed_at = now() - interval '90 s'",
        "run_expires_at = now() - interval '1 s', claimed_at = now() - interval '90 s'",
        "exited_at = now(), exit_code = 0",
        "abort_requested_at = now(), abort_reason = 'cancelled'",
    ],
)
def test_any_clock_an_exit_and_an_abort_make_it_one_to_be_judged(rows: Rows, change: str) -> None:
    token = rows.running().token

    rows.all(f"update attempts set {change} returning token")  # pyright: ignore[reportArgumentType]

    assert suspected(rows) == [token]


def test_the_grace_is_waited_for(rows: Rows) -> None:
    rows.running()

    rows.all(
        "update attempts set heartbeat_expires_at = now() - interval '10 s', claimed_at = now() - interval '90 s'"
        " returning token"
    )

    assert suspected(rows) == []


def test_batches_go_on_behind_the_last_one_read(rows: Rows) -> None:
    tokens = [rows.running().token for _ in range(2)]
    for age, token in enumerate(reversed(tokens), 20):
        rows.all(
            "update attempts set heartbeat_expires_at = now() - make_interval(secs => %s),"
            " claimed_at = now() - interval '90 s' where token = %s returning token",
            age,
            token,
        )

    [first] = liveness.suspects(rows.sql, GRACE, 1)
    [second] = liveness.suspects(rows.sql, GRACE, 1, (first.heartbeat_expires_at, first.token))

    assert [first.token, second.token] == tokens
    assert liveness.suspects(rows.sql, GRACE, 1, (second.heartbeat_expires_at, second.token)) == []
