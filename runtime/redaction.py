"""Keeps secrets out of texts: stars stand where one of them is, in any of the forms in which texts hand it on.

1. A form is what Python's repr, JSON, a URL, a shell or HTML makes of a secret, or two of them one after the other.
2. Of a secret of several lines each line counts, too; of one with blanks around it, also what is between them.
3. In base64 it is found at each place where it may stand between other bytes, such as `user:secret`.
4. A secret of fewer than 6 characters is hidden where it stands as a word: `ok` is not looked for in `token`.
5. Of a form that a text cuts, 16 characters of its beginning or of its end are enough.

The weak spot: what another encoding makes of a secret (hex, a hash, base64 of base64) is not known.
"""

from __future__ import annotations

import base64
import html
import json
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from playbill.runtime.secrets import Secret

__all__ = ["NO_SECRETS", "REDACTION", "Redaction"]

HIDDEN: Final = "***"
SHORT: Final = 6
"""Secrets of fewer characters are hidden as whole words only; shorter base64 is not looked for within another."""
CODED: Final = 4
"""Characters of base64 that are enough to be looked for at all."""
LINE: Final = 8
"""Characters of a line of a longer secret that are enough to be hidden."""
PIECE: Final = 16
"""Characters of a form's beginning or end that are enough to be hidden."""
_BEFORE: Final = r"(?:(?<!\w)|(?<=\\[abfnrtv0])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4})|(?<=%[0-9A-Fa-f]{2}))"
"""A word begins here: after no letter, digit or underscore, unless those are the end of an escaped character."""
_AFTER: Final = r"(?!\w)"


class Redaction:
    """Hides the secrets it was made of; without any it hides nothing."""

    __slots__ = ("_forms", "_words")

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        parts = {part for value in secrets for part in _parts(str(value))}
        words = {form for part in parts if len(part) < SHORT for form in _forms(part)}
        forms = {form for part in parts if len(part) >= SHORT for form in _forms(part)}
        for coded in (coded for part in parts for coded in _base64(part) if len(coded) >= CODED):
            (forms if len(coded) >= SHORT else words).add(coded)
        # Of two secrets one may begin with the other: the rest of the longer one shall not be left.
        self._forms = _longest_first(forms)
        any_word = "|".join(map(re.escape, _longest_first(words)))
        self._words = re.compile(f"{_BEFORE}(?:{any_word}){_AFTER}") if words else None

    def __bool__(self) -> bool:
        return bool(self._forms) or self._words is not None

    def hide(self, text: str) -> str:
        """Return a text with stars in the place of each secret."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        for form in self._forms:  # only then: of one form that stands there whole, a piece may be another one's
            if len(form) <= PIECE:
                break
            text = _without_pieces(text, form)
        return text if self._words is None else self._words.sub(HIDDEN, text)

    def hide_cut(self, text: str) -> str:
        """Return the same of a text whose end is missing, without its last characters if a secret may begin there."""
        hidden = self.hide(text)
        return hidden[: 1 - PIECE] if self else hidden


def _longest_first(forms: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _parts(secret: str) -> Iterator[str]:
    """Give what of a secret is to be hidden: all of it, it without the blanks around it, each of its lines."""
    bare = secret.strip()
    if bare:
        yield secret
        yield bare
        yield from (line for line in map(str.strip, bare.splitlines()) if len(line) >= LINE)


# ---- its forms ------------------------------------------------------------------------------------------------


def _quoted(way: Callable[[str], str]) -> Callable[[str], str]:
    """Return how a way of quoting writes what is between its quotes."""
    return lambda text: way(text)[1:-1]


def _both_quoted(way: Callable[[str], str]) -> Callable[[str], str]:
    """Return how it does in a text that has both kinds of quotes, of which the single ones are escaped."""
    return lambda text: way(f"'\"{text}")[4:-1]


def _bytes_repr(text: str) -> str:
    return repr(_bytes(text))[1:]


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _percent_encoded(safe: str) -> Callable[[str], str]:
    return lambda text: quote(text, safe=safe, errors="surrogatepass")


def _in_small_letters(way: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: re.sub("%..", lambda found: found[0].lower(), way(text))


def _html_by_number(text: str) -> str:
    return html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _plus_encoded(text: str) -> str:
    return quote_plus(text, errors="surrogatepass")


_URL_SAFE: Final = ("", "/", "/!$&'()*+,;=:@", "/!$&'()*+,;=:@?")
"""What is left as it is: in a form, in a path as Python writes it, and in a path or query as HTTP clients do."""
_WAYS: Final[tuple[Callable[[str], str], ...]] = (
    str,
    *(kind(way) for way in (repr, ascii, _bytes_repr) for kind in (_quoted, _both_quoted)),
    _quoted(json.dumps),
    _quoted(_json),
    *map(_percent_encoded, _URL_SAFE),
    _plus_encoded,
    _in_small_letters(_percent_encoded("")),
    _in_small_letters(_plus_encoded),
    lambda text: text.replace("'", "'\"'\"'"),  # as shlex.quote does
    lambda text: text.replace("'", "'\\''"),
    lambda text: re.sub(r'(["\\$`])', r"\\\1", text),  # between a shell's double quotes
    html.escape,
    lambda text: html.escape(text, quote=False),
    _html_by_number,
)


def _forms(text: str) -> set[str]:
    """Return what one way makes of a text, and another one of that: a repr in a repr, JSON in a URL."""
    once = {way(text) for way in _WAYS}
    return {way(form) for form in once for way in _WAYS}


def _base64(text: str) -> Iterator[str]:
    """Give the base64 of a text and of its JSON, of both alphabets: alone, in lines, and between other bytes."""
    for data in {_bytes(text), _bytes(json.dumps(text)[1:-1])}:
        found = {base64.b64encode(data).decode(), *_within(data)}
        found |= {form.rstrip("=") for form in found}
        found.update(line for line in base64.encodebytes(data).decode().splitlines() if len(line) >= LINE)
        for form in found - {""}:
            yield from {form, form.translate(_URL_ALPHABET), quote(form, safe="")}


_URL_ALPHABET: Final = str.maketrans("+/", "-_")


def _within(data: bytes) -> Iterator[str]:
    """Give those characters of base64 that are the same whatever stands before and after the bytes.

    A character says 6 bits: of `before` foreign bytes the first 2 or 3 characters say something, and the last one
    may say something of what follows.
    """
    for before, first in ((0, 0), (1, 2), (2, 3)):
        shifted = bytes(before) + data
        yield base64.b64encode(shifted).decode()[first : len(shifted) * 8 // 6]


# ---- what a text has cut --------------------------------------------------------------------------------------


def _without_pieces(text: str, form: str) -> str:
    """Hide the longest beginnings and ends of a form that a text holds, of PIECE characters or more."""
    if form[:PIECE] in text:
        text = _without_beginnings(text, form)
    if form[-PIECE:] in text:
        text = _without_beginnings(text[::-1], form[::-1])[::-1]
    return text


def _without_beginnings(text: str, form: str) -> str:
    kept: list[str] = []
    done = 0
    while (place := text.find(form[:PIECE], done)) >= 0:
        kept += [text[done:place], HIDDEN]
        done = place + _common(text[place : place + len(form)], form)
    return "".join([*kept, text[done:]])


def _common(text: str, form: str) -> int:
    """Count the characters with which both begin."""
    pairs = enumerate(zip(text, form, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(text), len(form)))


NO_SECRETS: Final = Redaction()
REDACTION: Final[ContextVar[Redaction]] = ContextVar("REDACTION", default=NO_SECRETS)
"""Of the run whose handler is called, for who cuts a text before it becomes a failure's."""
