"""All that Redis holds for a gate, in one look, and what it should hold by the model."""

import json
from collections.abc import Iterable
from typing import Any

from redis import Redis

from shared.gate import Gate
from shared.keys import epoch_key, gate_root
from tests.slots.model import Known, Model

_DUMP = """
local read = {
  hash = function(k) return redis.call('HGETALL', k) end,
  set = function(k) return redis.call('SMEMBERS', k) end,
  zset = function(k) return redis.call('ZRANGE', k, 0, -1, 'WITHSCORES') end,
  string = function(k) return redis.call('GET', k) end,
}
local all = {}
for _, k in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', k).ok
  all[#all + 1] = {k, kind, read[kind](k)}
end
return cjson.encode(all)
"""

Shot = dict[str, Any]


class Watched:
    """A client whose scripts are each followed by a snapshot, in the same round trip."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._dump = redis.script_load(_DUMP)
        self.dumped: Any = None

    def register_script(self, text: str) -> Any:
        sha = self._redis.script_load(text)

        def call(keys: list[Any], args: list[Any]) -> Any:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.evalsha(sha, len(keys), *keys, *args)
                pipe.evalsha(self._dump, 0)
                told, self.dumped = pipe.execute()
            return told

        return call

    def __getattr__(self, name: str) -> Any:
        self.dumped = None  # whatever is done without a script, the last snapshot may be old by now
        return getattr(self._redis, name)


def taken(redis: "Redis | Watched") -> Shot:
    """Every key of the database: hashes and sorted sets as dicts, sets as sets, the order of members apart."""
    dumped = redis.dumped if isinstance(redis, Watched) and redis.dumped is not None else redis.eval(_DUMP, 0)
    told = json.loads(dumped)  # pyright: ignore[reportArgumentType]
    return {name: _shaped(kind, value) for name, kind, value in told} if told else {}


def _shaped(kind: str, value: Any) -> Any:
    if kind == "set":
        return set(value)
    if kind == "string":
        return value
    pairs = dict(zip(value[::2], value[1::2], strict=True))
    return pairs if kind == "hash" else {member: int(score) for member, score in pairs.items()}


def under_epoch(shot: Shot, gate: Gate) -> Shot:
    """The keys of the gate's epoch by their names; any other key but the epoch's own has no owner."""
    root = f"{gate_root(gate.namespace)}:{gate.epoch}:"
    strangers = {it for it in shot if not it.startswith(root)} - {epoch_key(gate.namespace)}
    assert not strangers, f"keys without an owner: {sorted(strangers)}"
    return {name.removeprefix(root): value for name, value in shot.items() if name.startswith(root)}


def split(keys: Shot) -> tuple[Shot, Shot]:
    """What the model knows to the last score, and the bookkeeping of who may be looked at next."""
    looked_at = ("ready", "resting", "lanes:", "parked:", "forced", "drained:")
    books = {name for name in keys if name.startswith(looked_at)}
    return {k: v for k, v in keys.items() if k not in books}, {k: v for k, v in keys.items() if k in books}


def expected(model: Model) -> Shot:
    """Every key that the model accounts for, with its content."""
    holders = model.of("reserved", "leased")
    keys: Shot = {f"firing:{it.id}": _hash(it) for it in model.known.values()}
    keys["holders"] = {it.id: it.expires for it in holders}
    keys["reserved"] = {it.id for it in model.of("reserved")}
    for limit in {limit for it in holders for limit in it.limits} - {"fleet"}:
        keys[f"used:{limit}"] = {str(it) for it in model.used(limit)}
    for worker in {it.worker for it in model.of("leased")}:
        keys[f"leases:{worker}"] = {it.id for it in model.of("leased") if it.worker == worker}
    keys["caps"] = {limit: str(cap) for limit, cap in model.caps.items()}
    keys["versions"] = {limit: str(version) for limit, version in model.versions.items()}
    keys["blocked"] = model.blocked
    keys["blocks"] = {it: json.dumps({"ms": ms, "over": over}) for it, (ms, over) in model.blocks.items()}
    keys["workers"] = {it: until for it, (until, _) in model.workers.items()}
    keys["capacity"] = {it: str(told) for it, (_, told) in model.workers.items()}
    keys["vtime"] = {it: str(turn) for it, turn in model.turns.items()}
    if model.clock is not None:
        keys["vtime"][""] = str(model.clock)
    return {
        name: value
        for name, value in {**keys, **_queues(it for it in model.of("waiting") if not it.forced)}.items()
        if value not in ({}, set(), None)
    }


def _queues(waiting: Iterable[Known]) -> Shot:
    keys: Shot = {}
    for it in waiting:
        name = f"{it.workspace}:{it.lane}"
        keys.setdefault(f"queue:{name}", {})[it.id] = it.place
        keys.setdefault("queues", set()).add(name)
    return keys


def _hash(it: Known) -> dict[str, str]:
    facts = it.facts
    told = {
        "workspace": it.workspace,
        "lane": it.lane,
        "score": str(it.place),
        "forced": str(int(facts.forced)),
        "title": facts.title,
    }
    if it.state == "leased":
        told |= {"request": it.request, "worker": it.worker}
    return told if it.abort is None else {**told, "abort": it.abort}


def normal(keys: Shot) -> Shot:
    """The one value that is JSON, in one spelling."""
    if "blocks" not in keys:
        return keys
    return {**keys, "blocks": {it: json.dumps(json.loads(v), sort_keys=True) for it, v in keys["blocks"].items()}}
