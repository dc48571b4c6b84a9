"""Hands for tests of what people are told."""

import dataclasses
from typing import Any
from uuid import UUID

from shared.store import alerts as alert_rows
from tests.process.conftest import Fleet
from tests.receiver import Receiver
from tests.waiting import until
from workers import alerts, aside
from workers.station import Station

SECRET = "hidden-from-everybody"


def address(receiver: Receiver) -> str:
    return receiver.address.replace("http://", "json://") + f"/{SECRET}"


def use(station: Station, **over: Any) -> None:
    quick = {"alert_every_s": 0.0, "ping_every_s": 0.0}
    station.settings = dataclasses.replace(station.settings, **{**quick, **over})


def add(fleet: Fleet, kind: str = "auto_paused", **about: UUID) -> None:
    alert_rows.add(fleet.database.connection(), kind, f"title of {kind}", "body", **about)


def swept(station: Station) -> dict[str, int]:
    """One pass, and what it began has ended."""
    told = alerts.sweep(station)
    until(lambda: aside.room() == aside.MOST)
    return told


def titles(receiver: Receiver) -> list[str]:
    return sorted(it.json["title"] for it in receiver.calls)


def due_now(fleet: Fleet) -> None:
    fleet.rows("update alerts set next_try_at = now() where sent_at is null returning id")


def state(fleet: Fleet) -> list[Any]:
    return fleet.rows(
        "select tries, sent_at is not null, given_up_at is not null, last_error, cardinality(delivered) from alerts"
        " order by at"
    )
