"""Which mutants of all that there could be: the same for the same seed, and fair to every area and kind."""

import random
from collections.abc import Iterator, Sequence

from tests.mutation.areas import AREAS, ROOT, Area, cuts_of, files_of
from tests.mutation.cut import KINDS, Cut, applied
from tests.mutation.in_python import compiles


def drawn(most: int, seed: str, only: str = "") -> list[Cut]:
    """So many mutants; a larger draw with the same seed begins with the smaller one's."""
    chosen = [area for area in AREAS if _wanted(area, only)]
    streams = {area.name: _in_turn(area, seed, only) for area in chosen}
    behind = {area.name: 0.0 for area in chosen}
    found: list[Cut] = []
    while behind and len(found) < most:
        area = min((it for it in chosen if it.name in behind), key=lambda it: behind[it.name])
        cut = next(streams[area.name], None)
        if cut is None:
            del behind[area.name]
        else:
            behind[area.name] += 1 / area.share
            found.append(cut)
    return found


def _in_turn(area: Area, seed: str, only: str) -> Iterator[Cut]:
    """One of each kind after the other, each from any file of the area."""
    cuts = [cut for file in _wanted(area, only) for cut in cuts_of(file)]
    piles = [_pile(cuts, kind, seed) for kind in KINDS]
    while any(piles):
        for pile in piles:
            if pile and _is_sound(cut := pile.pop()):
                yield cut


def _wanted(area: Area, only: str) -> list[str]:
    """Its files of which one of the words in `only`, set apart by commas, names the area or a part of the path."""
    words = only.split(",")
    return [file for file in files_of(area) if any(word == area.name or word in file for word in words)]


def _pile(cuts: Sequence[Cut], kind: str, seed: str) -> list[Cut]:
    pile = sorted(cut for cut in cuts if cut.kind == kind)
    random.Random(f"{seed} {kind}").shuffle(pile)
    return pile


def _is_sound(cut: Cut) -> bool:
    return not cut.file.endswith(".py") or compiles(applied((ROOT / cut.file).read_text(), cut))
