"""Bars and lines as SVG: enough for a page of figures, without a library."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, ROW, LEFT, RIGHT = 760, 26, 230, 70
COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5")
_FONT = 'font-family="sans-serif" font-size="12" fill="#777"'


def stacked(title: str, unit: str, bars: Mapping[str, Mapping[str, float]]) -> str:
    """A bar a name, its parts one after the other; parts have the same colour everywhere."""
    parts = list(dict.fromkeys(part for bar in bars.values() for part in bar))
    most = max((sum(bar.values()) for bar in bars.values()), default=0) or 1
    scale = (WIDTH - LEFT - RIGHT) / most
    lines = [_text(0, 16, f"{title} ({unit})", weight="bold")]
    for row, (name, bar) in enumerate(bars.items()):
        top, x = 30 + row * ROW, float(LEFT)
        lines.append(_text(LEFT - 8, top + 15, name, anchor="end"))
        for part, value in bar.items():
            width = value * scale
            lines.append(
                f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{ROW - 6}" '
                f'fill="{_colour(parts, part)}"><title>{escape(part)}: {value:g}</title></rect>'
            )
            x += width
        lines.append(_text(x + 6, top + 15, f"{sum(bar.values()):.4g}"))
    height = 30 + len(bars) * ROW
    return _page(lines, _legend(lines, parts, height + 8))


def curves(
    title: str, units: tuple[str, str], of: Mapping[str, Sequence[tuple[float, float]]]
) -> str:
    """A line a name, both axes from 0."""
    height, bottom = 200, 240
    points = [point for line in of.values() for point in line]
    x_most = max((x for x, _ in points), default=0) or 1
    y_most = max((y for _, y in points), default=0) or 1
    wide = WIDTH - LEFT / 2 - RIGHT
    lines = [_text(0, 16, f"{title} ({units[1]})", weight="bold")]
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * height
        lines.append(f'<path d="M{LEFT / 2} {y}h{wide}" stroke="#7773"/>')
        lines.append(_text(LEFT / 2 - 8, y + 4, f"{share * y_most:.4g}", anchor="end"))
        x = LEFT / 2 + share * wide
        lines.append(_text(x, bottom + 18, f"{share * x_most:.4g} {units[0]}", anchor="middle"))
    for name, line in of.items():
        path = " ".join(
            f"{LEFT / 2 + x / x_most * wide:.1f},{bottom - y / y_most * height:.1f}"
            for x, y in line
        )
        colour = _colour(list(of), name)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return _page(lines, _legend(lines, list(of), bottom + 34))


def _colour(names: Sequence[str], name: str) -> str:
    return COLOURS[names.index(name) % len(COLOURS)]


def _legend(lines: list[str], names: Sequence[str], top: float) -> float:
    """Adds it; returns where it ends."""
    x = 0.0
    for name in names:
        width = 24 + 7 * len(name)
        if x + width > WIDTH:
            x, top = 0.0, top + 20
        lines.append(
            f'<rect x="{x}" y="{top}" width="12" height="12" fill="{_colour(names, name)}"/>'
        )
        lines.append(_text(x + 16, top + 11, name))
        x += width
    return top + 20


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" {_FONT}>'
        f"{escape(words)}</text>"
    )


def _page(lines: Sequence[str], height: float) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}">'
    return "\n".join([head, *lines, "</svg>", ""])
