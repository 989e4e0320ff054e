"""The one frame of all pages that are drawn: HTML in a file of its own, readable in light and dark."""

from __future__ import annotations

from html import escape
from typing import Final

__all__ = ["page"]

STYLE: Final = """
:root { color-scheme: light dark; --fg: #1c1f24; --bg: #fdfdfc; --dim: #6f757e; --line: #e1e3e8; --mark: #2f6fde;
  --good: #1d6f42; --bad: #c2302b }
@media (prefers-color-scheme: dark) { :root { --fg: #e4e6ea; --bg: #16181c; --dim: #9aa0a9; --line: #2c3037;
  --mark: #7aa7ff; --good: #6fd19a; --bad: #ff8a80 } }
body { font: 14px/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg); margin: 2rem auto;
  max-width: 80rem; padding: 0 1rem }
h1 { font-size: 1.3rem; margin-bottom: .3rem } h2 { font-size: 1.1rem; margin: 1.5rem 0 .4rem }
.dim { color: var(--dim) } .wide { overflow-x: auto } table { border-collapse: collapse }
.drawing text { font: 12px system-ui, sans-serif; fill: var(--fg) } .drawing line { stroke: var(--line) }
.drawing .dim { fill: var(--dim) } .drawing .strong { font-weight: 600 }
"""
"""What all pages look like; `.drawing` is what `reports.svg` draws, `.wide` scrolls by itself."""


def page(title: str, body: str, style: str = "") -> str:
    """Return a whole page.

    Args:
        title: its heading, as plain text.
        body: what follows the heading, as HTML.
        style: the rules that only this page has.
    """
    name = escape(title)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>'
    style = f"<style>{STYLE}{style}</style>"
    return f'<!doctype html><html lang="en"><head>{head}{style}</head><body><h1>{name}</h1>{body}</body></html>\n'
