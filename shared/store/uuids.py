"""Thousands of ids as one parameter, written down at once: one by one they took longer than what is done with them."""

from dataclasses import dataclass
from struct import Struct

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_UUID, _UUIDS = (psycopg.adapters.types["uuid"].oid, psycopg.adapters.types["uuid"].array_oid)
# As Postgres sends an array: dimensions, whether there are nulls, of what type; of its dimension the size and start.
_HEAD, _DIMENSION = Struct(">3i"), Struct(">2i")
_SIZE = b"\x00\x00\x00\x10"


@dataclass(frozen=True, slots=True)
class Uuids:
    """Ids by their bytes, in an order."""

    ids: list[bytes]


class _Dumper(Dumper):
    format = Format.BINARY
    oid = _UUIDS

    def dump(self, obj: Uuids) -> Buffer:
        if not obj.ids:
            return _HEAD.pack(0, 0, _UUID)
        head = _HEAD.pack(1, 0, _UUID) + _DIMENSION.pack(len(obj.ids), 1)
        return head + b"".join([_SIZE + it for it in obj.ids])


psycopg.adapters.register_dumper(Uuids, _Dumper)
