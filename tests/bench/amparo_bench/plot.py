"""A plot as SVG: lines over one axis of numbers, each axis from 0."""

import pathlib

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 360, 70, 45, 30, 20
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad")


def _step(most: float) -> float:
    """Round, for four to eight marks on an axis."""
    step = 1.0
    while most / step > 8:
        step *= 10
    for smaller in (step / 2, step / 5):
        if most / smaller <= 8:
            step = smaller
    return step


def _marks(most: float) -> list[float]:
    step = _step(most)
    return [i * step for i in range(int(most / step) + 1)]


def svg(title: str, x_name: str, y_name: str, lines: dict[str, list[tuple[float, float]]]) -> str:
    x_most = max(x for line in lines.values() for x, _ in line) or 1
    y_most = (max(y for line in lines.values() for _, y in line) or 1) * 1.1
    at_x = lambda x: LEFT + x / x_most * (WIDTH - LEFT - RIGHT)             # noqa: E731
    at_y = lambda y: HEIGHT - BOTTOM - y / y_most * (HEIGHT - BOTTOM - TOP)   # noqa: E731
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="18" font-size="14">{title}</text>',
           f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{x_name}</text>']
    for mark in _marks(y_most):
        y = at_y(mark)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{mark:,g}</text>')
    for mark in _marks(x_most):
        out.append(f'<text x="{at_x(mark):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
                   f'{mark:,.0f}</text>')
    out.append(f'<text x="{LEFT}" y="{TOP - 2}">{y_name}</text>')
    for (name, line), colour in zip(lines.items(), COLOURS):
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = line[-1]
        out.append(f'<text x="{at_x(x) - 4:.1f}" y="{at_y(y) - 6:.1f}" text-anchor="end" '
                   f'fill="{colour}">{name}</text>')
    return "\n".join(out) + "\n</svg>\n"


def write(file: pathlib.Path, *words, **more) -> None:
    file.write_text(svg(*words, **more), "utf-8")
