"""Secrets in texts: the forms in which they are handed on, and the words that are none of them."""

import base64
import html
import json
import re
import shlex
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbill.runtime.redaction import Redaction

BODY = "\n".join(base64.b64encode(bytes(range(start, start + 48))).decode() for start in range(0, 192, 24))
PEM = f"-----BEGIN KEY-----\n{BODY}\n-----END KEY-----\n"
SECRETS = [
    "hunter2",
    "it's",
    "a\"b'c\\d\ne",
    "top secret/é+?&<",
    "C:\\new\\table",
    PEM,
    "é\u2028ü💥 key",
    "x" * 5 + "'" * 2,
]


def shown(secret: str) -> dict[str, str]:
    """The secret as other texts show it."""
    raw = secret.encode()
    return {
        "plain": f"<{secret}>",
        "repr": repr({"key": [secret]}),
        "repr beside a double quote": repr(f'"{secret}" is it'),
        "repr beside both quotes": repr(f"\"'{secret}' is it"),
        "repr of an error": repr(ValueError(f"no: {secret}")),
        "repr of a repr": repr(ValueError(repr({"key": secret}))),
        "repr of bytes": repr(b"key=" + raw),
        "repr of bytes in a text": repr(str(b"'\"" + raw)),
        "ascii": ascii([secret]),
        "json": json.dumps({"key": secret}),
        "json with letters": json.dumps({"key": secret}, ensure_ascii=False),
        "json of json": json.dumps({"body": json.dumps({"key": secret})}),
        "repr of json": repr(json.dumps({"key": secret})),
        "json of a repr": json.dumps(repr(secret)),
        "url": f"http://h/{quote(secret, safe='')}?x",
        "path": f"http://h/{quote(secret)}",
        "form": urlencode({"key": secret}),
        "small percents": re.sub("%..", lambda code: code[0].lower(), quote_plus(secret)),
        "url in a url": quote(f"http://h/?k={quote(secret, safe='')}", safe=""),
        "shell": shlex.join(["curl", secret]),
        "html": f"<p title='{html.escape(secret)}'>",
        "html without quotes": f"<p>{html.escape(secret, quote=False)}</p>",
        "repr of html": repr(html.escape(secret)),
    }


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_hidden_in_every_form(secret: str) -> None:
    redaction = Redaction([secret])
    for form, text in shown(secret).items():
        hidden = redaction.hide(text)
        assert "***" in hidden, form
        for line in (line for line in secret.splitlines() if len(line) > 3):
            assert line not in hidden, form


@pytest.mark.parametrize("secret", ["hunter2", "p4ss!", "a longer, ordinary phrase?>~", PEM])
@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("after", ["", "x", "xy", ", and more"])
@pytest.mark.parametrize("urlsafe", [False, True])
@pytest.mark.parametrize("padding", [False, True])
def test_a_secret_is_hidden_within_base64(secret: str, before: str, after: str, urlsafe: bool, padding: bool) -> None:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    coded = encode(f"{before}{secret}{after}".encode()).decode()
    coded = coded if padding else coded.rstrip("=")
    hidden = Redaction([secret]).hide(f"Authorization: Basic {coded}\n")
    assert "***" in hidden
    left = hidden.removeprefix("Authorization: Basic ").strip().replace("***", "")
    assert len(left) <= len(coded) - (len(secret.encode()) - 2) * 8 // 6 + 1


def test_base64_in_lines_is_hidden() -> None:
    hidden = Redaction([PEM]).hide(base64.encodebytes(PEM.encode()).decode())
    assert set(hidden.split()) == {"***"}


def test_each_line_of_a_secret_is_hidden_where_it_is_written_alone() -> None:
    redaction = Redaction([PEM])
    assert {redaction.hide(f"out: {line}") for line in PEM.splitlines()} == {"out: ***"}


@pytest.mark.parametrize("secret", ["a", "7", "ok", "Y", "pass", 7, 0, -1, 2.5])
def test_a_short_secret_leaves_other_words_as_they_are(secret: str | float) -> None:
    text = "token of attempt 17, bypassed as /ok2: Okay, took_7 b2sYQ 22.53 Yes... a1"
    assert Redaction([secret]).hide(text) == text


@pytest.mark.parametrize(
    ("secret", "text", "hidden"),
    [
        ("a", "plan a: a/b=a", "plan ***: ***/b=***"),
        ("ok", repr("x\nok\t"), "'x\\n***\\t'"),
        ("ok", "?k=x%20ok&l", "?k=x%20***&l"),
        ("ok", "basic b2s= b2s", "basic *** b2s"),
        ("7", "exit 7, (7) 77", "exit ***, (***) 77"),
        (5432, "localhost:5432/db", "localhost:***/db"),
        ("it's", repr("it's"), '"***"'),
        ("hunter2", "xhunter2x", "x***x"),
        ("hunter2\n", "key hunter2!", "key ***!"),
        ("  ok ", "key ok!", "key ***!"),
    ],
)
def test_a_short_secret_is_hidden_as_a_word_and_a_longer_one_everywhere(
    secret: str | int, text: str, hidden: str
) -> None:
    assert Redaction([secret]).hide(text) == hidden


@pytest.mark.parametrize("secret", ["", " ", "\n\t "])
def test_an_empty_secret_hides_nothing(secret: str) -> None:
    redaction = Redaction([secret])
    assert not redaction
    assert redaction.hide("a  b\n\t c") == "a  b\n\t c"


def test_of_two_secrets_one_may_begin_with_the_other() -> None:
    assert Redaction(["hunter2", "hunter22"]).hide("hunter22 hunter2") == "*** ***"


@given(st.text(min_size=6, max_size=40), st.text(max_size=10), st.text(max_size=10))
def test_no_text_with_a_secret_is_left_as_it_is(secret: str, before: str, after: str) -> None:
    redaction = Redaction([secret])
    if redaction:
        for text in (before + secret + after, repr(before + secret + after), json.dumps([before + secret + after])):
            assert redaction.hide(text) != text


def test_it_shows_no_secret_itself() -> None:
    assert "hunter2" not in repr(Redaction(["hunter2"]))


@pytest.mark.parametrize("left", range(1, 31))
def test_of_a_text_that_was_cut_no_beginning_of_a_secret_is_left(left: int) -> None:
    secret = "hunter2-hunter3-hunter4-hunter5"
    assert set(Redaction([secret]).hide_cut("x" * 100 + secret[:left])) <= {"x", "*"}


def test_without_secrets_a_text_that_was_cut_stays_as_it_is() -> None:
    assert Redaction().hide_cut("some of it") == "some of it"
