"""The Redis side of the slots: who may try now, who waits in which order, who is next."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from redis import Redis
from redis.exceptions import ResponseError

from shared import keys
from shared.answers import (
    Caps,
    Held,
    InTheWay,
    LimitUse,
    Reservation,
    Reserved,
    Seat,
    Unreadable,
    Unseeded,
    Usage,
    Waiter,
)
from shared.events import event
from shared.lua import Script

_OFFER = Script("offer")
_RESERVE = Script("reserve")
_CLAIM = Script("claim")
_RENEW = Script("renew")
_RELEASE = Script("release")
_PUT_BACK = Script("put_back")
_WITHDRAW = Script("withdraw")
_ABORT = Script("abort")
_BLOCK = Script("block")
_STOP = Script("stop")
_EXPIRED = Script("expired")
_UNCLAIMED = Script("unclaimed")
_SEAT = Script("seat")
_SET_CAP = Script("set_cap")
_REBUILD = Script("rebuild")
_STATES = Script("states")
_USAGE = Script("usage")
_LOSE = Script("lose")

# Reservations that one call may make; what is left is made by the next call.
FILL_AT_MOST = 1000


@dataclass
class Gate:
    """The scripts under one epoch. Every method raises Unseeded when the gate is not of this epoch."""

    redis: "Redis"
    namespace: str
    start_lease_ms: int
    epoch: int = -1
    now_ms: int | None = field(default=None, kw_only=True)
    _parts: dict[int, int] = field(default_factory=dict[int, int], init=False)

    def _ask(self, script: Script, **given: str | int | float) -> list[Any]:
        try:
            return self._checked(script(self.redis, **self._complete(script, given)))
        except ResponseError as error:
            raise _meant(error) from error

    def _ask_each(self, script: Script, batch: Iterable[dict[str, str | int | float]]) -> list[list[Any]]:
        """The answers to several calls, sent together; each is a call of its own for Redis."""
        script.load(self.redis)
        with self.redis.pipeline(transaction=False) as pipe:
            for given in batch:
                script(pipe, **self._complete(script, given))
            try:
                return [self._checked(told) for told in pipe.execute()]
            except ResponseError as error:
                raise _meant(error) from error

    def _complete(self, script: Script, given: dict[str, str | int | float]) -> dict[str, str | int | float]:
        asked = script.asked
        if "now_ms" in asked:
            given["now_ms"] = "" if self.now_ms is None else self.now_ms
        if "start_lease_ms" in asked:
            given["start_lease_ms"] = self.start_lease_ms
        if "most" in asked:
            given.setdefault("most", FILL_AT_MOST)
        given.setdefault("epoch", self.epoch)
        given["gate"] = keys.gate_root(self.namespace)
        return given

    def _checked(self, told: list[Any]) -> list[Any]:
        if told[0] == b"UNSEEDED":
            raise Unseeded(f"the gate is not of epoch {self.epoch}")
        if told[0] == b"UNREADABLE":
            raise Unreadable("it knows nothing of some who hold or wait")
        return told

    def offer(self, waiters: Iterable[Waiter]) -> list[Reservation]:
        """Puts firings in line unless they wait or hold already, and fills; the new reservations."""
        batch = json.dumps([waiter.facts() for waiter in waiters])
        return _reservations(self._ask(_OFFER, batch=batch)[1])

    def offer_written(self, facts: Iterable[str]) -> list[Reservation]:
        """The same of waiters whose facts are written down already."""
        return _reservations(self._ask(_OFFER, batch=f"[{','.join(facts)}]")[1])

    def reserve(self, waiter: Waiter) -> Reserved | InTheWay:
        """A run-now's reservation at once, or what is in the way."""
        firing, workspace, lane, score, forced, title = waiter.facts()
        told = self._ask(
            _RESERVE, firing=firing, workspace=workspace, lane=lane, score=score, forced=forced, title=title
        )
        if told[0] in (b"FULL", b"DRAINING"):
            return InTheWay(told[1].decode(), told[0] == b"DRAINING")
        return Reserved()

    def claim(self, firing: UUID, request: UUID, worker: str, lease_ms: int) -> str:
        """`LEASED`, `HELD`, `WAITING` or `UNKNOWN`; the same answer when the same request asks again."""
        told = self._ask(_CLAIM, firing=str(firing), request=str(request), worker=worker, lease_ms=lease_ms)
        return told[0].decode()

    def renew(
        self, worker: str, capacity: int, lease_ms: int, leases: Sequence[tuple[UUID, UUID]]
    ) -> tuple[list[str], list[Reservation]]:
        """Per lease `ok`, `absent` or `abort:<reason>`; and what the told processes now make possible."""
        told = self._ask(
            _RENEW,
            worker=worker,
            capacity=capacity,
            lease_ms=lease_ms,
            leases=json.dumps([[str(firing), str(request)] for firing, request in leases]),
        )
        return [answer.decode() for answer in told[1]], _reservations(told[2])

    def release(self, firing: UUID, request: UUID) -> list[Reservation]:
        """Gives a lease back if the request matches, else nothing; then fills."""
        return _reservations(self._ask(_RELEASE, **_given_back(firing, request))[1])

    def release_and_take(
        self, firing: UUID, request: UUID, taking: UUID, worker: str, lease_ms: int
    ) -> tuple[list[Reservation], UUID | None]:
        """The same; and the first of the reservations is a lease of the request `taking` by the worker that asks.

        Asked again with the same request it finds what it took, and takes nothing more.
        """
        given = {**_given_back(firing, request), "taking": str(taking), "worker": worker, "lease_ms": lease_ms}
        _, made, taken = self._ask(_RELEASE, **given)
        return _reservations(made), UUID(taken.decode()) if taken else None

    def release_each(self, leases: Sequence[tuple[UUID, UUID]]) -> list[Reservation]:
        """The same of many (firing, request), sent together; all the reservations that this made."""
        batch = [_given_back(firing, request) for firing, request in leases]
        return [it for told in self._ask_each(_RELEASE, batch) for it in _reservations(told[1])]

    def put_back(self, firing: UUID, request: UUID) -> list[Reservation]:
        """Puts a leased firing back at its place in line, if the request matches; then fills."""
        return _reservations(self._ask(_PUT_BACK, firing=str(firing), request=str(request))[1])

    def withdraw(self, firings: Iterable[UUID]) -> list[Reservation]:
        """Out of the line and out of reservations; leases are left alone. Then fills."""
        return _reservations(self._ask(_WITHDRAW, firings=json.dumps([str(f) for f in firings]))[1])

    def abort(self, firing: UUID, request: UUID, reason: str) -> bool:
        """Whether the lease of that request is now flagged, for its next renewal to see."""
        return self._ask(_ABORT, firing=str(firing), request=str(request), reason=reason)[0] == b"FLAGGED"

    def block(self, limit: str, firing: UUID, request: UUID) -> list[Reservation]:
        """No fill under a limit that Postgres calls full for 1 to 10 s; the firing keeps its place."""
        return _reservations(self._ask(_BLOCK, limit=limit, firing=str(firing), request=str(request))[1])

    def stop(self, limit: str, for_ms: int) -> None:
        """No fill under a limit for so long: more executes under it than its cap allows."""
        self._ask(_STOP, limit=limit, for_ms=for_ms)

    def expired(self, most: int) -> list[Held]:
        """Holders past their expiry, the oldest first; nothing is freed."""
        return [_held(it) for it in self._ask(_EXPIRED, most=most)[1]]

    def unclaimed(self, older_than_ms: int, most: int) -> list[Reservation]:
        """Reservations that no worker has claimed for so long that their message may be lost."""
        return _reservations(self._ask(_UNCLAIMED, older_than_ms=older_than_ms, most=most)[1])

    def seat(self, seats: Iterable[Seat]) -> int:
        """Gives running firings their leases again, room or not; how many did not have theirs."""
        return int(self._ask(_SEAT, leases=json.dumps([seat.facts() for seat in seats]))[1])

    def set_cap(self, limit: str, cap: int | None, version: int | None = None) -> list[Reservation]:
        """Writes a limit's cap (None: no such limit any more) and fills.

        One as of an older version of the caps than the gate has changes nothing; None: of the version that stands.
        """
        given = {"cap": "" if cap is None else cap, "version": "" if version is None else version}
        return _reservations(self._ask(_SET_CAP, limit=limit, **given)[1])

    def states(self, firings: Iterable[UUID]) -> list[Held]:
        """What the gate knows of each firing, in the order asked."""
        asked = list(firings)
        told = self._ask(_STATES, firings=json.dumps([str(f) for f in asked]))[1]
        return [Held(firing, it[0].decode(), it[1].decode()) for firing, it in zip(asked, told, strict=True)]

    def usage(self) -> Usage:
        """The gate counted, at one instant."""
        _, limits, waiting, reserved, processes = self._ask(_USAGE)
        found = [LimitUse(name.decode(), cap, used, before) for name, cap, used, before in limits]
        return Usage(found, waiting, reserved, processes)

    def members(self) -> Iterable[UUID]:
        """Every firing that the gate knows, by HSCAN: for the reconciler, which reads each again by id."""
        try:
            for firing, _ in self.redis.hscan_iter(keys.firings_key(self.namespace, self.epoch), count=1000):
                yield UUID(firing.decode())
        except ResponseError as error:
            raise _meant(error) from error

    def current_epoch(self) -> int | None:
        """The epoch the gate itself believes; None where it has no memory."""
        told = self.redis.get(keys.epoch_key(self.namespace))
        return None if told is None else int(told)  # pyright: ignore[reportArgumentType]

    def run_id(self) -> str:
        """The identity of the Redis process, which a replica that took over does not share."""
        return str(self.redis.info("server")["run_id"])  # pyright: ignore[reportIndexIssue]

    def load(
        self,
        epoch: int,
        *,
        caps: Caps | None = None,
        workers: Sequence[tuple[str, int, int]] = (),
        seats: Sequence[Seat] = (),
        waiters: Sequence[Waiter] = (),
        done: bool = False,
    ) -> bool:
        """Loads a part of a rebuild under an epoch not yet current; `done` makes it so.

        False: refused, or Redis lost the parts before this one. Workers are told as id, processes and ms to live.
        """
        self._parts[epoch] = part = self._parts.get(epoch, 0) + 1
        told = self._ask(
            _REBUILD,
            epoch=epoch,
            part=part,
            caps=json.dumps({} if caps is None else dict(caps.by_limit)),
            version="" if caps is None else caps.version,
            workers=json.dumps(workers),
            leases=json.dumps([seat.facts() for seat in seats]),
            waiting=json.dumps([waiter.facts() for waiter in waiters]),
            done=str(int(done)),
        )
        return told[0] == b"OK"

    def lose(self, epoch: int) -> None:
        """Has the gate without memory, if it is still of that epoch: what stands there cannot be read."""
        event("gate.unreadable", level=logging.ERROR, epoch=epoch)
        self._ask(_LOSE, epoch=epoch)

    def forget_before(self, epoch: int) -> None:
        """Deletes what older epochs left behind."""
        for number in self._epochs():
            if number < epoch:
                self.forget(number)

    def forget(self, epoch: int) -> None:
        """Deletes everything of one epoch, such as the part that a rebuild loaded before it died."""
        batch: list[Any] = []
        for name in self.redis.scan_iter(match=f"{keys.gate_root(self.namespace)}:{epoch}:*", count=1000):
            batch.append(name)
            if len(batch) >= 500:
                self.redis.unlink(*batch)
                batch.clear()
        if batch:
            self.redis.unlink(*batch)

    def _epochs(self) -> set[int]:
        root = keys.gate_root(self.namespace)
        names = self.redis.scan_iter(match=f"{root}:[0-9]*", count=1000)
        return {int(name.decode().removeprefix(f"{root}:").split(":", 1)[0]) for name in names}


def _meant(error: ResponseError) -> ResponseError | Unreadable:
    """A key of another type, or a value that is packed otherwise."""
    signs = ("WRONGTYPE", "Bad data format in input", "Missing bytes in input")
    return Unreadable(str(error)) if any(it in str(error) for it in signs) else error


def _given_back(firing: UUID, request: UUID) -> dict[str, str | int | float]:
    return {"firing": str(firing), "request": str(request), "taking": "", "worker": "", "lease_ms": 0}


def _reservations(told: list[Any]) -> list[Reservation]:
    return [Reservation(UUID(firing.decode()), title.decode()) for firing, title in told]


def _held(told: list[Any]) -> Held:
    return Held(UUID(told[0].decode()), told[1].decode(), told[2].decode())
