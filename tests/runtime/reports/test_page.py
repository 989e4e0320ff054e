"""What all drawn pages share: one frame, and shapes that escape what users wrote."""

import pytest

from playbill.runtime.reports import svg
from playbill.runtime.reports.page import page


def test_a_page_has_its_title_twice_its_body_once_and_its_own_rules_last() -> None:
    whole = page("a < b", "<p>body</p>", ".mine { color: red }")
    assert whole.startswith('<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport"')
    assert "<title>a &lt; b</title>" in whole
    assert whole.endswith(".mine { color: red }</style></head><body><h1>a &lt; b</h1><p>body</p></body></html>\n")


def test_a_page_reads_in_light_and_dark_and_loads_nothing() -> None:
    whole = page("t", "")
    assert "color-scheme: light dark" in whole
    assert "prefers-color-scheme: dark" in whole
    assert [word for word in ("<link", "<script", "url(", "@import", "src=") if word in whole] == []


def test_shapes_escape_what_users_wrote() -> None:
    assert svg.text(1, 2.25, "<a> & b", "dim", title='"t"') == (
        '<text class="dim" x="1" y="2.2">&lt;a&gt; &amp; b<title>&quot;t&quot;</title></text>'
    )
    assert svg.text(0, 0, "a", centred=True) == '<text x="0" y="0" text-anchor="middle">a</text>'
    assert svg.line(0, 1, 2.04, 3) == '<line x1="0" y1="1" x2="2" y2="3"/>'
    assert svg.rect(0, 0, 5, 6, "bad", "<") == (
        '<rect class="bad" x="0" y="0" width="5" height="6" rx="2"><title>&lt;</title></rect>'
    )


def test_a_drawing_scrolls_by_itself() -> None:
    drawn = svg.drawing(10, 20.5, [svg.line(0, 0, 1, 1)])
    assert drawn.startswith('<div class="wide"><svg xmlns="http://www.w3.org/2000/svg" class="drawing" width="10" ')
    assert drawn.endswith('height="20.5" role="img"><line x1="0" y1="0" x2="1" y2="1"/></svg></div>')


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (0, ["0"]),
        (0.004, ["0", "1 ms", "2 ms", "3 ms", "4 ms"]),
        (1.1, ["0", "200 ms", "400 ms", "600 ms", "800 ms", "1 s"]),
        (300, ["0", "60 s", "2 min", "3 min", "4 min", "5 min"]),
    ],
)
def test_ticks_stand_where_a_reader_counts(span: float, labels: list[str]) -> None:
    assert [label for _, label in svg.ticks(span)] == labels


def test_no_span_has_more_ticks_than_fit() -> None:
    assert all(len(svg.ticks(1.7**power)) <= svg.MAX_TICKS + 1 for power in range(-15, 30))
