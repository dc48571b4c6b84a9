"""One measured figure as it is written down: ours, a peer's, the limit, and whether the bar is reached."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Figure:
    """`ratio` is ours over the peer or, where there is none, over the limit; the bar judges `judged`."""

    metric: str
    unit: str
    ours: float
    peer: float | None
    peer_name: str | None
    limit: float | None
    ratio: float | None
    bar: float
    judged: str
    better: str
    spread: str
    ok: bool


def figure(
    metric: str,
    unit: str,
    ours: Sequence[float],
    *,
    limit: Sequence[float] = (),
    peer: tuple[str, Sequence[float]] | None = None,
    bar: tuple[str, str, float],
) -> Figure:
    """Medians of the rounds. `bar` is (what it judges: ours or ratio, which is better: higher or lower, how much).

    A ratio is taken round by round, so that a noisy neighbour disturbs both sides of it.
    """
    judged, better, wanted = bar
    beside = limit if peer is None else peer[1]
    ratios = [one / other for one, other in zip(ours, beside, strict=True)] if beside else []
    value = median(ratios if judged == "ratio" else ours)
    shown = ratios if judged == "ratio" else ours
    return Figure(
        metric,
        unit,
        round(median(ours), 4),
        None if peer is None else round(median(peer[1]), 4),
        None if peer is None else peer[0],
        round(median(limit), 4) if limit else None,
        round(median(ratios), 3) if ratios else None,
        wanted,
        judged,
        better,
        f"{min(shown):.3g} to {max(shown):.3g} in {len(shown)} rounds",
        value >= wanted if better == "higher" else value <= wanted,
    )


def write(figures: Sequence[Figure], folder: Path) -> Path:
    """`latest.json` and a Markdown table beside it; the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(json.dumps([asdict(it) for it in figures], indent=1) + "\n")
    table = folder / "latest.md"
    table.write_text(as_table(figures))
    return table


def as_table(figures: Sequence[Figure]) -> str:
    """The figures as people read them."""
    lines = [
        "| what | ours | peer | limit | ratio | bar | |",
        "|---|---|---|---|---|---|---|",
    ]
    for it in figures:
        peer = "" if it.peer is None else f"{it.peer:g} ({it.peer_name})"
        bar = f"{it.judged} {'at least' if it.better == 'higher' else 'at most'} {it.bar:g}"
        cells = [
            f"{it.metric} ({it.unit})",
            f"{it.ours:g}",
            peer,
            "" if it.limit is None else f"{it.limit:g}",
            "" if it.ratio is None else f"{it.ratio:g}",
            bar,
            f"{'ok' if it.ok else 'MISSED'}: {it.judged} {it.spread}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
