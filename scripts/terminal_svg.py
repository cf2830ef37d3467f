"""Draws what a command printed as an SVG of a terminal: python terminal_svg.py TITLE < text > svg."""

import sys
from html import escape

CHAR, LINE, PAD, BAR = 8.4, 19, 18, 34
BACK, FRAME, TEXT, DIM, MARK = "#14181f", "#1f2630", "#d7dde5", "#8a96a3", "#7fd1b9"


def colour(line: str) -> str:
    """Headings stand out, histogram bars and figures are plain, notes are dim."""
    if line.startswith("$"):
        return MARK
    return TEXT if line.startswith(" ") else DIM


def svg(title: str, lines: list[str]) -> str:
    """The picture: a title bar and one text element a line."""
    width = int(max(map(len, [*lines, title])) * CHAR + 2 * PAD)
    height = BAR + PAD + LINE * len(lines) + PAD // 2
    rows = [
        f'<text x="{PAD}" y="{BAR + PAD + LINE * i}" fill="{colour(line)}">{escape(line)}</text>'
        for i, line in enumerate(lines)
        if line.strip()
    ]
    font = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="{font}" font-size="14" xml:space="preserve">'
    )
    frame = (
        f'<rect width="{width}" height="{height}" rx="10" fill="{BACK}"/>'
        f'<path d="M0 10a10 10 0 0 1 10-10h{width - 20}a10 10 0 0 1 10 10v{BAR - 16}H0z" '
        f'fill="{FRAME}"/><text x="{PAD}" y="19" fill="{DIM}">{escape(title)}</text>'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", frame, *rows, "</svg>"])


if __name__ == "__main__":
    print(svg(sys.argv[1], sys.stdin.read().rstrip("\n").split("\n")))
