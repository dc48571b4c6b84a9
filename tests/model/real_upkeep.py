"""Reconciler and reaper on the real rows and scripts, one healing at a time."""

from shared.rules.verdict import verdict
from shared.store import liveness
from tests.model.real import SETTINGS, Real
from tests.model.world import World
from workers import reaper
from workers.reconcile import Pass
from workers.settle import settle

FAR = 10.0**15


def heal(real: Real, name: str, f: int) -> None:
    """What one part of a reconciler's pass does; its gate's clocks are moved instead of waited for."""
    real.upkeep.make_whole()
    one = Pass(real.station, ())
    match name:
        case "offer":
            real.upkeep.offer_again([real.firings[f]])
        case "overdue":
            ages = {str(it): 1 if it == real.firings[f] else FAR for it in real.firings}
            real.redis.zadd(real.key("holders"), ages, xx=True)
            one._overdue()
        case "block_over":
            real.redis.zadd(real.key("blocked"), {"fleet": 1}, xx=True)
            real.upkeep.fill()
        case "fill":
            real.upkeep.fill()
        case "strangers":
            one._strangers()
        case "seat":
            one._unknown_running()
        case _:
            one._caps()


def reap(real: Real, f: int, before: World, *, told: bool) -> None:
    """The reaper's sweep over one firing's attempt; untold: it dies before it speaks to the gate."""
    if before.rows.firings[f].exit:
        _earlier(real, f, "exited_at", 301)
    elif before.rows.firings[f].age:
        assert _judge(real, f, told=told) is None, "one sweep alone has judged"
        _earlier(real, f, "dead_tick_at", 16)
    assert _judge(real, f, told=told) is not None, "nothing was reaped"


def _earlier(real: Real, f: int, column: str, seconds: int) -> None:
    real.sql.execute(
        f"update attempts set {column} = {column} - make_interval(secs => %s)"  # pyright: ignore[reportArgumentType]
        " where firing_id = %s and ended_at is null",
        [seconds, real.firings[f]],
    )


def _judge(real: Real, f: int, *, told: bool) -> object:
    grace = reaper.timedelta(seconds=SETTINGS.reap_grace_s)
    [suspect] = [it for it in liveness.suspects(real.sql, grace, 10) if it.firing_id == real.firings[f]]
    if told:
        real.upkeep.make_whole()
        return reaper.judge(real.station, [suspect], SETTINGS) or None
    clocks = reaper.clocks_of(SETTINGS)
    ticks = reaper._tick(real.station, [suspect], SETTINGS).get(suspect.token, suspect.dead_ticks)
    found = verdict(reaper.seen(suspect, ticks), suspect.now, clocks)
    outcome = reaper.outcome_of(found, suspect)
    return None if outcome is None else settle(real.database, suspect.token, outcome, SETTINGS).answer
