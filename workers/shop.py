"""Whether the processes of this worker may begin anything more: one byte, which all of them see."""

import mmap

# Anonymous and shared: made when the main process imports this, inherited by the pool that it forks.
_sign = mmap.mmap(-1, 1)
_CLOSED = b"c"
_OPEN = b"\0"


def close() -> None:
    """Nothing more is begun."""
    _sign[:1] = _CLOSED


def open_up() -> None:
    """A worker starts, perhaps in a process in which another one ended."""
    _sign[:1] = _OPEN


def is_open() -> bool:
    """Whether a process that has just become free may go on with the next in line."""
    return _sign[:1] != _CLOSED
