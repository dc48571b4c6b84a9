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
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
CAPABILITY_VERSION_3 = 0x20080522
SAME_USER = "same"


def leashed(
    program: Sequence[str], ends_with: signal.Signals, user: str = SAME_USER, reach: str = "."
) -> list[str]:
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
    if linux:
        prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if all(map(reachable, must_reach)):
        kept: tuple[int, ...] = ()
    elif linux:
        kept = (CAP_DAC_READ_SEARCH,) if hold_only(CAP_DAC_READ_SEARCH) else (CAP_DAC_OVERRIDE,)
    else:
        sys.exit(f"uid {uid} cannot reach {must_reach[-1]}: choose a folder that every user can reach")
    if linux and not hold_only(*kept):
        sys.exit(f"uid {uid} cannot reach {must_reach[-1]}: choose a folder that every user can reach")


def reachable(path: str) -> bool:
    try:
        os.stat(path)
    except PermissionError:
        return False
    return True


def hold_only(*capabilities: int) -> bool:
    mask = sum(1 << one for one in capabilities)
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    sets = struct.pack("=6I", mask, mask, mask, 0, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, sets) != 0:
        return False
    return all(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one, 0, 0) == 0 for one in capabilities)


def prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(sys.argv[1:])
