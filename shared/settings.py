"""Every knob: the environment before the settings table before the default, each with its source."""

import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from functools import lru_cache
from typing import Any, Literal

from shared.events import event
from shared.rules.addresses import is_network
from shared.rules.allowed import Allowed

DEFAULT_NAMESPACE = "slotbeat"

Source = Literal["environment", "table", "default"]
# What each word of a text must be.
_EACH: Mapping[str, Callable[[str], bool]] = {"allowed_networks": is_network}
_ON, _OFF = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def knob(
    default: Any,
    meaning: str,
    *,
    low: float = 0,
    high: float = 1e9,
    here_only: bool = False,
    is_secret: bool = False,
) -> Any:
    """A setting's default, what it means, and the bounds (inclusive) of a number.

    `here_only`: the environment of the process alone says, for whoever may write settings may not widen it.
    `is_secret`: whether it is set may be shown, what it is may not.
    """
    known = {"meaning": meaning, "low": low, "high": high, "here_only": here_only, "is_secret": is_secret}
    return field(default=default, metadata=known)


@dataclass(frozen=True)
class Settings:
    """What every process goes by; a name ends in its unit, `_s` and `_seconds` being seconds."""

    max_concurrent: int = knob(2, "fleet cap: firings that execute at once on all hosts", high=10_000)
    max_run_seconds: int = knob(1200, "run lease of a firing whose schedule has none", low=1, high=86_400)
    max_turns: int | None = knob(None, "turn budget of a firing whose schedule has none", low=1, high=1000)
    lease_seconds: float = knob(60.0, "heartbeat lease: how long a claim is good without renewal", low=0.5)
    lease_margin_s: float = knob(10.0, "how long before its lease ends a guard kills (at most a third of it)")
    start_lease_seconds: float = knob(60.0, "how long a reservation waits for a worker", low=0.5)
    reap_every_s: float = knob(10.0, "time between two sweeps of the reaper", low=0.1)
    reap_grace_s: float = knob(15.0, "how far past its lease an attempt must be for the reaper")
    dead_ticks: int = knob(2, "sweeps in a row that must find an attempt past its lease", low=1, high=100)
    reaper_enabled: bool = knob(True, "kill switch of the reaper")
    reconcile_every_s: float = knob(10.0, "time between two passes of the reconciler", low=0.1)
    abort_grace_s: float = knob(10.0, "time between SIGTERM and SIGKILL of an aborted payload")
    exit_grace_s: float = knob(300.0, "how long a recorded exit is left to its worker")
    success_check_s: float = knob(10.0, "how long a success check may take", low=0.1, high=120)
    shutdown_grace_s: float = knob(20.0, "how long a stopping worker lets its payloads run on")
    loop_silent_s: float = knob(60.0, "how long a worker's main loop may stand still before it ends itself", low=1)
    preflight_s: float = knob(3.0, "how long a workspace may take to say that it is fit", low=0.1, high=30)
    restart_timeout_s: float = knob(120.0, "how long a restart of a workspace may take", low=0.5, high=3600)
    sweep_every_s: float = knob(60.0, "time between two looks for workspaces wrongly counted busy", low=0.1)
    phantom_after_s: float = knob(600.0, "silence after which a workspace in which nothing runs is not busy", low=1)
    wake_every_s: float = knob(5.0, "time between two looks for sleeping workspaces in which something waits", low=0.1)
    pressure_delay_s: int = knob(30, "how long due schedules are put off while people are talking")
    pressure_max_delay_s: int = knob(900, "how long they are put off at most")
    tick_batch: int = knob(1000, "schedules that one transaction of beat makes firings of", low=1, high=100_000)
    failure_streak_limit: int = knob(3, "failures in a row that pause a schedule", low=1, high=1000)
    breach_streak_limit: int = knob(5, "turn breaches in a row that pause a schedule", low=1, high=1000)
    class_trip_schedules: int = knob(3, "schedules whose failures of one class trip it", low=2, high=1000)
    class_trip_window_s: int = knob(300, "within how long they must fail to trip it", low=1)
    probe_delay_s: int = knob(60, "how long after a class trips the first firing tries again", low=1)
    probe_max_delay_s: int = knob(900, "how long between two tries at most; it doubles up to here", low=1)
    keep_metrics_days: int = knob(30, "how long firing metrics are kept", low=1)
    keep_events_days: int = knob(14, "how long firing events are kept", low=1)
    keep_activity_days: int = knob(90, "how long the activity log is kept", low=1)
    keep_firings_days: int = knob(90, "how long ended firings and skips are kept", low=1)
    require_token: bool = knob(
        False, "a token for each request also on loopback, as behind a proxy on the same host", here_only=True
    )
    keep_alerts_days: int = knob(90, "how long alerts that were sent are kept", low=1)
    retain_every_s: float = knob(300.0, "time between two deletions of what is too old", low=0.1)
    tally_every_s: float = knob(10.0, "time between two foldings of what ended into counters and budgets", low=0.1)
    alert_every_s: float = knob(5.0, "time between two looks for alerts to send", low=0.1)
    alert_tries: int = knob(12, "how often an alert is tried; the pause between two doubles up to an hour", low=1)
    alert_urls: str = knob(
        "", "Apprise addresses, separated by spaces; see docs/alerts.md", here_only=True, is_secret=True
    )
    ping_url: str = knob(
        "", "address that is called while beat ticks and workers renew", here_only=True, is_secret=True
    )
    ping_every_s: float = knob(60.0, "time between two such calls", low=0.1)
    beat_late_s: float = knob(60.0, "how late beat may be before people are told", low=0.1)
    allowed_commands: str = knob(
        "*", "programs that command targets may run, by name or full path, separated by spaces", here_only=True
    )
    allowed_callables: str = knob("*", "callables that python targets may run, such as agents.*", here_only=True)
    allowed_networks: str = knob(
        "",
        "networks beside the public internet that http and a2a targets may reach, such as 10.1.0.0/16",
        here_only=True,
    )
    allowed_secrets: str = knob(
        "", "variables of the worker that targets may name as secrets, such as AGENT_*", here_only=True
    )

    @property
    def guard_margin_s(self) -> float:
        """How long before the lease's end a guard kills: never so much that little of the lease is left."""
        return min(self.lease_margin_s, self.lease_seconds / 3)

    @property
    def allowed(self) -> Allowed:
        """What targets may run and use."""
        return Allowed(
            commands=tuple(self.allowed_commands.split()),
            callables=tuple(self.allowed_callables.split()),
            networks=tuple(self.allowed_networks.split()),
            secrets=tuple(self.allowed_secrets.split()),
        )


@dataclass(frozen=True)
class Setting:
    """One setting as it stands: its value and where that came from."""

    key: str
    value: Any
    source: Source
    default: Any
    meaning: str


class BadSetting(ValueError):
    """A value that its setting does not take; the message says what it takes."""


def is_here_only(key: str) -> bool:
    """Whether only the environment of the process that goes by it can say what this setting is."""
    return any(it.name == key and it.metadata["here_only"] for it in fields(Settings))


def is_secret(key: str) -> bool:
    """Whether a setting's value opens a door: it is never shown or logged."""
    return any(it.name == key and it.metadata["is_secret"] for it in fields(Settings))


def environment_name(key: str) -> str:
    """The variable of a setting: SLOTBEAT_ and its name in capitals."""
    return f"SLOTBEAT_{key.upper()}"


def cap_asked_for(environ: Mapping[str, str] | None = None) -> str | None:
    """The fleet cap that this process was started with, as it was written; each tells it, to be compared."""
    return (os.environ if environ is None else environ).get(environment_name("max_concurrent"))


def _number(text: str, *, whole: bool) -> float:
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return int(text) if whole else float(text)


def _parse(known: Field[Any], text: str) -> Any:
    text = text.strip()
    if known.type is str:
        if not all(map(_EACH.get(known.name, bool), text.split())):
            raise ValueError(text)
        return text
    if known.type is bool:
        return {**dict.fromkeys(_ON, True), **dict.fromkeys(_OFF, False)}[text.lower()]
    if known.default is None and text.lower() in ("", "none", "null"):
        return None
    value = _number(text, whole=known.type is not float)
    if not math.isfinite(value) or not known.metadata["low"] <= value <= known.metadata["high"]:
        raise ValueError(text)
    return value


def parse(key: str, text: str) -> Any:
    """The value that a setting's text means; BadSetting names what it takes, KeyError an unknown setting."""
    known = {it.name: it for it in fields(Settings)}[key]
    try:
        return _parse(known, text)
    except (ValueError, KeyError, OverflowError):
        raise BadSetting(f"{key} takes {_takes(known)}, not {text!r}") from None


def _takes(known: Field[Any]) -> str:
    if known.type is str:
        return known.metadata["meaning"]
    if known.type is bool:
        return "true or false"
    low, high = known.metadata["low"], known.metadata["high"]
    kind = "a number of seconds" if known.type is float else "a whole number"
    return f"{kind} from {low:g} to {high:g}"


def resolve(environ: Mapping[str, str], table: Mapping[str, str], *, told: bool = True) -> list[Setting]:
    """Every setting with its value and source; what is not valid is named once, if `told`, and passed over."""
    return [_resolve_one(known, environ, table, told) for known in fields(Settings)]


def _resolve_one(known: Field[Any], environ: Mapping[str, str], table: Mapping[str, str], told: bool) -> Setting:
    places: Iterable[tuple[Source, str, Mapping[str, str]]] = (
        ("environment", environment_name(known.name), environ),
        ("table", known.name, table),
    )
    bad: list[tuple[str, str, str, str]] = []
    value, used = known.default, "default"
    for source, name, values in places:
        if name in values and not (source == "table" and known.metadata["here_only"]):
            try:
                value, used = parse(known.name, values[name]), source
                break
            except BadSetting as error:
                bad.append((source, name, values[name], str(error)))
    for it in bad if told else ():
        _warn_once(*it, value, used)
    return Setting(known.name, value, used, known.default, known.metadata["meaning"])


@lru_cache(maxsize=1000)
def _warn_once(source: str, name: str, text: str, why: str, instead: object, instead_from: str) -> None:
    known = {"source": source, "name": name, "value": text, "why": why}
    event("setting.ignored", level=logging.WARNING, **known, instead=instead, instead_from=instead_from)


def read(
    environ: Mapping[str, str] | None = None, table: Mapping[str, str] | None = None, *, told: bool = True
) -> Settings:
    """The settings as this process goes by them; not `told` where somebody else names what is not valid."""
    found = resolve(os.environ if environ is None else environ, table or {}, told=told)
    return Settings(**{it.key: it.value for it in found})


@dataclass(frozen=True)
class Addresses:
    """Where the servers are; never shown as they stand, for they carry passwords."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    namespace: str


class NoAddress(RuntimeError):
    """A server's address is missing; the message names the variable."""


class BadAddress(NoAddress):
    """A server's address is none; the message names the variable and how one looks."""


_SENTINELS = r"sentinel://[^?;]+\?(.+&)?master=."
_LIKE_SENTINELS = "sentinel://:password@host:26379,host2:26379/0?master=NAME"
# How they begin. Postgres also takes `host=... dbname=...`; the broker's forms are kombu's to know.
_FORMS = {
    "DATABASE_URL": (r"postgres(?:ql)?://|\s*\w+\s*=", "postgresql://user:password@host:5432/database"),
    "REDIS_URL": (
        rf"rediss?://|unix://|{_SENTINELS}",
        f"redis://host:6379/0, or {_LIKE_SENTINELS}",
    ),
    "CELERY_BROKER_URL": (rf"(?!sentinel:)|{_SENTINELS}", _LIKE_SENTINELS),
}


def check_address(name: str, url: str) -> None:
    """BadAddress where a URL cannot be one. It is not shown: it may hold a password."""
    begins, example = _FORMS[name]
    if not re.match(begins, url):
        raise BadAddress(f"{name} is no address: write it as in {example}")


def _checking_certificates(broker_url: str) -> str:
    """A `rediss://` broker that does not say how, checks certificates: kombu would take it for one without TLS."""
    if not broker_url.startswith("rediss://") or "ssl_cert_reqs=" in broker_url:
        return broker_url
    return f"{broker_url}{'&' if '?' in broker_url else '?'}ssl_cert_reqs=required"


def addresses(environ: Mapping[str, str] | None = None) -> Addresses:
    """DATABASE_URL, REDIS_URL, CELERY_BROKER_URL (default: REDIS_URL) and SLOTBEAT_NAMESPACE."""
    environ = os.environ if environ is None else environ
    for name in ("DATABASE_URL", "REDIS_URL"):
        if not environ.get(name):
            raise NoAddress(f"{name} is not set: set it, or run `slotbeat up`, which brings its own servers")
        check_address(name, environ[name])
    redis_url = environ["REDIS_URL"]
    check_address("CELERY_BROKER_URL", environ.get("CELERY_BROKER_URL", ""))
    return Addresses(
        environ["DATABASE_URL"],
        redis_url,
        _checking_certificates(environ.get("CELERY_BROKER_URL") or redis_url),
        environ.get("SLOTBEAT_NAMESPACE") or DEFAULT_NAMESPACE,
    )
