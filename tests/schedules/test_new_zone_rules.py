"""SCH-6: a zone's rules may change (tzdata is updated) after an occurrence was computed by the former ones."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from console.deeds.forecasting import forecast
from console.deeds.preview import upcoming
from shared.store import invariants
from tests.schedules.conftest import World

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EIGHT = datetime(2026, 11, 21, 8, tzinfo=UTC)  # nine o'clock in Berlin


def test_what_would_come_too_early_by_them_comes_once_and_when_everybody_says(world: World) -> None:
    known = world.schedule("daily", cron="0 9 * * *", timezone="Europe/Berlin", overlap="allow", remaining_runs=2)
    # As it was computed while clocks there were to be an hour further.
    world.all("update schedules set next_run_at = %s, revision = revision + 1 returning id", EIGHT - HOUR)
    said = upcoming(replace(known, next_run_at=EIGHT - HOUR), world.now, 2)
    foreseen = [it.nominal_at for it in forecast(world.admission.database, 48, 10).starts]

    for moment in (EIGHT - HOUR, EIGHT, EIGHT + DAY):
        world.set(moment + MINUTE)
        world.beat()

    assert world.fired(known.id) == said == [EIGHT, EIGHT + DAY]
    assert foreseen == said
    assert invariants.broken(world.rows) == []
