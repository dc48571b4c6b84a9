"""Runs a program under a guard: its input goes in, events and text come out, in bounded memory."""

import signal

from workers import oom
from workers.guarded import Run, guarded
from workers.guards import Guards
from workers.targets.ended import Ended, ended
from workers.targets.program import Program
from workers.targets.talk import Talk
from workers.targets.tally import OnEvents, Tally
from workers.targets.terms import Terms


def run(program: Program, terms: Terms, guards: Guards, on_events: OnEvents) -> Ended:
    """How it ended. Returns when nothing of the payload is left, whatever happened."""
    killed_before = oom.kills()
    with guarded(guards) as payload:
        payload.start(_order(program, terms))
        tally = Tally(program.adapter(), on_events, payload.abort, terms)
        talk = Talk(payload, program.stdin, tally, program.hide, terms.meanwhile)
        gone = talk.until_gone()
    guards.prepare()  # for the next one, in case this one cost its guard
    return ended(gone, talk, gone.signal == signal.SIGKILL and oom.kills() > killed_before)


def _order(program: Program, terms: Terms) -> Run:
    return Run(
        argv=program.argv,
        env=program.env,
        cwd=program.cwd,
        deadline=terms.deadline,
        run_deadline=terms.run_deadline,
        abort_grace_s=terms.abort_grace_s,
        token=terms.token,
        keeper=terms.keeper,
        about=terms.about,
    )
