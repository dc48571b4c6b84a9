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
  local content = read[kind](k)
  if string.find(k, ':firings$') then
    for i = 2, #content, 2 do content[i] = {cmsgpack.unpack(content[i])} end
  end
  all[#all + 1] = {k, kind, content}
end
return cjson.encode(all)
"""

Shot = dict[str, Any]


class Watched:
    """A client whose scripts are each followed by a snapshot, in the same round trip, over a connection of its own."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._dump = redis.script_load(_DUMP)
        self._line = redis.connection_pool.get_connection()
        self._dumped: Any = None
        self._shots: tuple[Any, Shot] = None, {}

    def close(self) -> None:
        self._redis.connection_pool.release(self._line)

    def evalsha(self, sha: str, numkeys: int, *words: Any) -> Any:
        asked = [("EVALSHA", sha, numkeys, *words), ("EVALSHA", self._dump, 0)]
        self._line.send_packed_command(self._line.pack_commands(asked))
        try:
            return self._line.read_response()
        finally:
            self._dumped = self._line.read_response()

    def shot(self) -> Shot:
        """As of now: the last snapshot, unless something was done since without a script."""
        if self._dumped is None:
            self._dumped = self._redis.evalsha(self._dump, 0)
        if self._shots[0] != self._dumped:
            self._shots = self._dumped, _read(self._dumped)
        return self._shots[1]

    def __getattr__(self, name: str) -> Any:
        self._dumped = None
        return getattr(self._redis, name)


def taken(redis: "Redis | Watched") -> Shot:
    """Every key of the database: hashes and sorted sets as dicts, sets as sets, the order of members apart."""
    return redis.shot() if isinstance(redis, Watched) else _read(redis.eval(_DUMP, 0))


def _read(dumped: Any) -> Shot:
    told = json.loads(dumped)
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
    keys: Shot = {"firings": {it.id: _packed(it) for it in model.known.values()}}
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


def _packed(it: Known) -> list[Any]:
    told = [it.workspace, it.lane, it.place, str(int(it.facts.forced)), it.facts.title]
    if it.state == "leased":
        told += [it.request, it.worker]
    return told if it.abort is None else [*told, it.abort]


def normal(keys: Shot) -> Shot:
    """The one value that is JSON, in one spelling."""
    if "blocks" not in keys:
        return keys
    return {**keys, "blocks": {it: json.dumps(json.loads(v), sort_keys=True) for it, v in keys["blocks"].items()}}
