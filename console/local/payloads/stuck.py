"""An agent that waits for an answer that never comes, deaf to SIGTERM: its run lease ends it."""

import signal

from console.local.payloads.say import say


def main() -> None:
    """Never returns."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("message", role="assistant", text="Waiting for an answer ...")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
