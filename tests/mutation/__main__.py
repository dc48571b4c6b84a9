"""`make mutants`: draws mutants, tries each, keeps what was found, and says what the tests let through."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import Queue

from tests.mutation.areas import ROOT
from tests.mutation.bench import Bench, apart, benches
from tests.mutation.cut import Cut, name_of
from tests.mutation.draw import drawn
from tests.mutation.report import FOLDER, Kept, Tried, table, tried
from tests.mutation.trial import Verdict, ask, copy_of_checkout, try_out
from tests.proc import adopt_orphans
from workers import tree

AGAIN = {"survived", "timeout"}


def main() -> int:
    asked = {name: os.environ.get(f"MUTANTS{name}", "") for name in ("", "_SEED", "_JOBS", "_AGAIN", "_QUICK")}
    most, seed, jobs = int(asked[""] or 100), asked["_SEED"] or "1", int(asked["_JOBS"] or 2)
    cuts = drawn(most, seed, os.environ.get("ONLY", ""))
    kept = Kept()
    names = {name_of((ROOT / cut.file).read_text(), cut): cut for cut in cuts}
    known = {name for name in names if name in kept.by_name}
    if asked["_AGAIN"]:
        known = {name for name in known if kept.by_name[name].answer not in AGAIN}
    print(f"{len(names)} mutants, seed {seed}; {len(known)} known from before; {jobs} at a time", flush=True)
    if not apart():
        print("no process namespace here: a mutant of the guard may kill what is not its own", flush=True)
    adopt_orphans()
    with benches(jobs) as free:
        todo = [cut for name, cut in names.items() if name not in known]
        _try_all(todo, kept, free, is_quick=bool(asked["_QUICK"]))
        answer = _conclude([kept.by_name[name] for name in names], free[0])
    tree.end_below(os.getpid())
    return answer


def _try_all(cuts: list[Cut], kept: Kept, free: list[Bench], *, is_quick: bool) -> None:
    idle: Queue[Bench] = Queue()
    for bench in free:
        idle.put(bench)
    with ThreadPoolExecutor(len(free)) as lanes:
        running = {lanes.submit(_try_one, cut, idle, is_quick): cut for cut in cuts}
        for count, done in enumerate(as_completed(running), 1):
            it = tried(running[done], done.result())
            kept.add(it)
            print(f"{count}/{len(cuts)} {it.answer:<9} {it.file}:{it.line} {it.kind}: {it.after}  {it.by}", flush=True)


def _try_one(cut: Cut, idle: "Queue[Bench]", is_quick: bool) -> Verdict:
    bench = idle.get()
    try:
        return try_out(cut, bench, is_quick=is_quick)
    finally:
        idle.put(bench)


def _conclude(found: list[Tried], bench: Bench) -> int:
    """The table; and whether every test that killed is green where nothing is broken."""
    (FOLDER / "table.md").write_text(table(found))
    print(table(found).partition("## All")[0])
    killers = sorted({it.by for it in found if it.answer == "killed" and "::" in it.by})
    red = _red_without_a_mutant(killers, bench)
    for test in red:
        print(f"red without a mutant too: {test}")
    print(f"mutants: {len(found)}, table in {(FOLDER / 'table.md').relative_to(Path.cwd())}")
    return 1 if red or any(it.answer in AGAIN for it in found) else 0


def _red_without_a_mutant(killers: list[str], bench: Bench) -> list[str]:
    if not killers:
        return []
    red: list[str] = []
    with copy_of_checkout() as folder:
        while (found := ask(folder, [it for it in killers if it not in red], 1500, bench)).answer != "survived":
            if found.by not in killers:
                return [f"{found.by}: {found.words}"]
            red.append(found.by)
    return red


if __name__ == "__main__":
    sys.exit(main())
