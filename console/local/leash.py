"""Starts a program that ends when the process that asked for it ends.

Runs as a script of its own (`python -I -S leash.py OWNER SIGNAL USER PATH -- PROGRAM...`), because
the same calls in a `preexec_fn` would run Python between fork and exec of a process with threads.
It imports nothing but the standard library and becomes the program: the pid stays the same.
"""

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
CAPABILITY_VERSION_3 = 0x20080522
SAME_USER = "same"


def leashed(program: Sequence[str], ends_with: signal.Signals, user: str = SAME_USER, reach: str = ".") -> list[str]:
    """The command line that starts `program` so that it receives `ends_with` when we end.

    Linux ties the signal to the thread that starts the program: start it from one that lives on.
    `user` is `uid:gid`; `reach` is a path that this user must be able to get to.
    """
    ours = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(ends_with)), user, reach, "--"]
    return [*ours, *program]


def main(arguments: Sequence[str]) -> None:
    owner, ends_with, user, reach, _, *program = arguments
    if user != SAME_USER:
        become(user, must_reach=(program[0], reach))
    # After the change of user, which clears it.
    end_with_owner(int(owner), int(ends_with))
    os.execv(program[0], program)


def end_with_owner(owner: int, ends_with: int) -> None:
    if sys.platform != "linux":
        return
    prctl(PR_SET_PDEATHSIG, ends_with)
    if os.getppid() != owner:
        # It ended before we asked to be told.
        sys.exit(1)


def become(user: str, must_reach: Sequence[str]) -> None:
    """Changes to `user` for good, and keeps one capability only where a closed parent folder asks for it.

    Checkouts live in home folders with mode 0700. Opening those to everybody is not ours to do, so the
    program keeps the right to search folders instead; that right ends with the program.
    """
    uid, gid = (int(part) for part in user.split(":"))
    linux = sys.platform == "linux"
    # Read now: as the other user, even the files of Python may be out of reach.
    permitted = held() if linux else 0
    if linux:
        keep_capabilities()
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if linux:
        set_capabilities(effective=0, permitted=permitted, inheritable=0)
    if all(map(reachable, must_reach)):
        enough = not linux or hold_only()
    else:
        enough = linux and (hold_only(CAP_DAC_READ_SEARCH) or hold_only(CAP_DAC_OVERRIDE))
    if not enough:
        sys.exit(f"uid {uid} cannot reach {must_reach[-1]}: choose a folder that every user can reach")


def keep_capabilities() -> None:
    """Across the change of user; and in `access()` too, with which Postgres looks for its own files."""
    try:
        prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    except PermissionError:
        prctl(PR_SET_KEEPCAPS, 1)


def reachable(path: str) -> bool:
    try:
        os.stat(path)
    except PermissionError:
        return False
    return True


def hold_only(*capabilities: int) -> bool:
    """For this process and the program that it becomes."""
    mask = sum(1 << one for one in capabilities)
    if not set_capabilities(mask, mask, mask):
        return False
    libc = ctypes.CDLL(None)
    return all(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one, 0, 0) == 0 for one in capabilities)


def held() -> int:
    with open("/proc/self/status", encoding="utf-8", errors="replace") as status:
        return int(next(line for line in status if line.startswith("CapPrm:")).split()[1], 16)


def set_capabilities(effective: int, permitted: int, inheritable: int) -> bool:
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    halves = [(mask & 0xFFFFFFFF, mask >> 32) for mask in (effective, permitted, inheritable)]
    low, high = zip(*halves, strict=True)
    return ctypes.CDLL(None).capset(header, struct.pack("=6I", *low, *high)) == 0


def prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(sys.argv[1:])
