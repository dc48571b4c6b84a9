"""A payload of the chaos run: it writes down what it does by itself, outside the system that runs it.

`python -I -S witness.py FILE KIND`: one line per moment (begin, beat, done), with the token, the firing, the
process and CLOCK_BOOTTIME in nanoseconds. Lines are short and appended, so none is torn.
"""

import os
import signal
import sys
import time

BEAT_S = 0.03
TURN = '{"type": "turn"}\n'


class Witness:
    """Who this is, and the file that it testifies in."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self.who = f"{os.environ['SLOTBEAT_TOKEN']} {os.environ['SLOTBEAT_FIRING_ID']}"

    def says(self, word: str) -> None:
        moment = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        os.write(self.file, f"{word} {self.who} {os.getpid()} {moment}\n".encode())

    def works(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.says("beat")
            time.sleep(min(BEAT_S, left))


def quick(me: Witness) -> None:
    me.works(0.05)


def half(me: Witness) -> None:
    me.works(0.5)


def long(me: Witness) -> None:
    """For several heartbeat leases."""
    me.works(4)


def longer(me: Witness) -> None:
    """For longer than it takes to give its worker up."""
    me.works(9)


def turns(me: Witness) -> None:
    for _ in range(5):
        say(TURN)
        me.works(0.1)


def over_budget(me: Witness) -> None:
    """Takes turn after turn until it is stopped."""
    for _ in range(600):
        say(TURN)
        me.works(0.05)


def fails(me: Witness) -> None:
    me.works(0.1)
    sys.exit(3)


def flaky(me: Witness) -> None:
    """Fails in a way that can heal, and succeeds the second time."""
    me.works(0.1)
    if os.environ["SLOTBEAT_ATTEMPT"] == "1":
        sys.stderr.write("HTTP 429: too many requests\n")
        sys.exit(1)


def hangs(me: Witness) -> None:
    me.works(1000)


def deaf(me: Witness) -> None:
    """Hears nothing but SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    me.works(1000)


def daemon(me: Witness) -> None:
    """Leaves a process behind that has left its group, its session and its parent, and works on."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            me.works(1000)
        os._exit(0)
    os.wait()
    me.works(0.2)


def floods(me: Witness) -> None:
    for _ in range(40):
        say("x" * 50_000 + "\n")
    me.works(0.1)


def regicide(me: Witness) -> None:
    """Kills its guard, the first time."""
    me.works(0.2)
    if os.environ["SLOTBEAT_ATTEMPT"] == "1":
        os.kill(os.getppid(), signal.SIGKILL)
        me.works(1000)


def say(text: str) -> None:
    os.write(1, text.encode())


KINDS = {
    it.__name__: it
    for it in (quick, half, long, longer, turns, over_budget, fails, flaky, hangs, deaf, daemon, floods, regicide)
}


def main(path: str, kind: str) -> None:
    me = Witness(path)
    me.says("begin")
    KINDS[kind](me)
    me.says("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
