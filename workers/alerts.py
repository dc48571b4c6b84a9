"""What people are told, through Apprise: found, sent beside the sweeps, tried again until it is taken."""

import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from shared.celery_app import ALERT
from shared.clock import boottime
from shared.events import event
from shared.rules.alert_routes import Route, pause_after_s, routes, wanted
from shared.settings import Settings
from shared.store import alerts, cadence, outbox, silence
from shared.store.outbox import Waiting
from workers import aside, hook, notify
from workers.station import Station

PING = "slotbeat.ping"
# Alerts that one run of the program sends, and how long it may take for them.
BATCH = 10
WITHIN_S = 30.0
_GRACE_S = 1.0
_LONGEST_TITLE = 200
_LONGEST_BODY = 1000
_KEEPS = 256 * 1024
_SILENT_AT_ONCE = 100

# What came of one alert: the address's fingerprint and what was wrong with it.
Told = dict[str, str | None]


def sweep(station: Station) -> dict[str, int]:
    """One pass, if it is this caller's turn; how many alerts were made, given up, and begun to be sent.

    Nothing here waits for a receiver: what is sent is sent beside the tasks of this process.
    """
    settings = station.refresh()
    connection = station.database.connection()
    if not cadence.take(connection, ALERT, settings.alert_every_s):
        return {}
    counts = {"silent_total": _look_for_silence(station), "given_up_total": outbox.give_up_old(connection)}
    known = routes(settings.alert_urls)
    if known and aside.room() > 0 and (taken := outbox.take(connection, BATCH, 2 * WITHIN_S)):
        aside.begin("alerts", lambda: send(station, taken, known))
        counts["begun_total"] = len(taken)
    _ping(station, settings)
    counts = {name: count for name, count in counts.items() if count}
    cadence.finish(connection, ALERT, "ok", counts)
    return counts


def _look_for_silence(station: Station) -> int:
    connection = station.database.connection()
    found = silence.without_success(connection, _SILENT_AT_ONCE)
    for it in found:
        since = "never" if it.last_success_at is None else f"last at {it.last_success_at:%Y-%m-%d %H:%M} UTC"
        words = f"It should succeed every {it.alert_after_s} s, and did not ({since}). See: slotbeat why {it.id}"
        about = {"workspace": it.workspace_id, "schedule": it.id}
        alerts.add(connection, "no_success", f"{it.name} has not succeeded for too long", words, **about)
    return len(found)


def send(station: Station, taken: Sequence[Waiting], known: Sequence[Route]) -> None:
    """Tells whoever should be told and has not been; what was taken is noted, what was not is tried again."""
    try:
        owed = {it.id: _owed(it, known) for it in taken}
        told = _told(station, taken, owed)
        for it in taken:
            note(station, it, owed[it.id], told[str(it.id)])
    finally:
        station.database.close()  # this thread's


def _owed(alert: Waiting, known: Sequence[Route]) -> list[Route]:
    return [it for it in wanted(known, alert.workspace, alert.schedule) if it.fingerprint not in alert.delivered]


def _told(station: Station, taken: Sequence[Waiting], owed: dict[Any, list[Route]]) -> defaultdict[str, Told]:
    order: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for it in taken:
        words = {"title": it.title[:_LONGEST_TITLE], "body": f"{it.body[:_LONGEST_BODY]}\n{_about(it)}"}
        for route in owed[it.id]:
            order[route.address].append({"id": str(it.id), "to": route.fingerprint, **words})
    told: defaultdict[str, Told] = defaultdict(dict)
    if order:
        asked = hook.Hook(notify.ARGV, json.dumps(list(order.items()), ensure_ascii=False), "", _KEEPS)
        _, said = hook.heard(station, asked, hook.Times(boottime() + WITHIN_S, _GRACE_S))
        for line in said.splitlines():
            if line.startswith("{"):
                answer = json.loads(line)
                told[answer["alert"]][answer["to"]] = answer["error"]
    return told


def _about(it: Waiting) -> str:
    names = [f"workspace {it.workspace}"] if it.workspace else []
    names += [f"schedule {it.schedule}"] if it.schedule else []
    names += [f"firing {it.firing_id}"] if it.firing_id else []
    return ", ".join([f"{it.kind} at {it.at:%Y-%m-%d %H:%M:%S} UTC", *names])


def note(station: Station, alert: Waiting, owed: Sequence[Route], told: Told) -> None:
    """Writes and logs what came of one alert; addresses are named by their fingerprints."""
    connection = station.database.connection()
    missing = {it.fingerprint: told.get(it.fingerprint, "it did not answer in time") for it in owed}
    wrong = {to: error for to, error in missing.items() if error is not None}
    delivered = [*alert.delivered, *(to for to in missing if to not in wrong)]
    facts: dict[str, Any] = {"alert": alert.id, "kind": alert.kind, "tries": alert.tries}
    if not delivered and not owed:
        outbox.failed(connection, alert.id, [], "no address is for it", None)
        event("alert.unrouted", level=logging.WARNING, **facts)
    elif not wrong:
        outbox.sent(connection, alert.id, delivered)
        event("alert.sent", to=delivered, **facts)
    else:
        words = "; ".join(f"{to}: {error}" for to, error in wrong.items())
        again = pause_after_s(alert.tries) if alert.tries < station.settings.alert_tries else None
        outbox.failed(connection, alert.id, delivered, words, again)
        event("alert.not_sent", level=logging.WARNING, error=words, again_in_s=again, **facts)


# The ping -------------------------------------------------------------------------------------------


def _ping(station: Station, settings: Settings) -> None:
    """Calls the address of an outside monitor while beat ticks and workers renew: it notices when that ends."""
    connection = station.database.connection()
    if not settings.ping_url or not is_alive(station, settings):
        return
    if cadence.take(connection, PING, settings.ping_every_s):
        aside.begin("ping", lambda: ping(station, settings))


def is_alive(station: Station, settings: Settings) -> bool:
    """Whether somebody makes firings of what is due, and somebody runs them."""
    connection = station.database.connection()
    late_s = silence.beat_late_s(connection)
    beat_ticks = late_s is not None and late_s < settings.beat_late_s
    return beat_ticks and silence.has_worker(connection, settings.lease_seconds)


def ping(station: Station, settings: Settings) -> None:
    """One call; whether it was taken is logged when it was not, without the address."""
    error = hook.run(station, hook.by_get(settings.ping_url), hook.Times(boottime() + WITHIN_S, _GRACE_S))
    if error is not None:
        event("ping.failed", level=logging.WARNING, error=error.replace(settings.ping_url, "..."))
    station.database.close()  # this thread's
