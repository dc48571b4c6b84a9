"""A plot as SVG: a few lines over a logarithmic axis, readable without a program."""

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP = 680, 320, 60, 50, 40
_COLOURS = ("#1b6ca8", "#c0392b", "#1e8449", "#8e44ad", "#b9770e", "#34495e")


class Line(NamedTuple):
    """Points by size, under one name."""

    name: str
    points: Sequence[tuple[float, float]]


def plot(title: str, lines: Sequence[Line]) -> str:
    """All lines in one picture; sizes and values in powers of ten."""
    sizes = [size for line in lines for size, _ in line.points]
    values = [max(value, 1e-3) for line in lines for _, value in line.points]
    low, high = min(sizes), max(*sizes, min(sizes) * 10)
    bottom, top = log10(min(values)) - 0.2, log10(max(values)) + 0.2

    def at(size: float, value: float) -> str:
        x = _LEFT + (log10(size) - log10(low)) / (log10(high) - log10(low)) * (_WIDTH - _LEFT - _RIGHT)
        y = _TOP + (top - log10(max(value, 1e-3))) / (top - bottom) * (_HEIGHT - 2 * _TOP)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT + 10 + 20 * len(lines)}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT + 10 + 20 * len(lines)}" fill="white"/>',
        f'<text x="{_LEFT}" y="20">{escape(title)}</text>',
    ]
    for power in range(ceil(bottom), floor(top) + 1):
        y = at(low, 10**power).split(",")[1]
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y}" dy="4" text-anchor="end">{10**power:g}</text>')
    for size in sorted(set(sizes)):
        x = at(size, min(values)).split(",")[0]
        parts.append(f'<text x="{x}" y="{_HEIGHT - 15}" text-anchor="middle">{size:,.0f}</text>')
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        drawn = " ".join(at(*point) for point in line.points)
        told = ", ".join(f"{value:.2f}" for _, value in line.points)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = _HEIGHT + 10 + 20 * number
        parts.append(f'<text x="{_LEFT}" y="{y}" fill="{colour}">{escape(line.name)}: {told}</text>')
    return "\n".join([*parts, "</svg>", ""])
