"""What to write instead, where somebody writes CEL as another language has it: Python, JavaScript, SQL, a shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from playbill.model.cel_tokens import signs_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["foreign_words", "hyphen_hint", "hyphened", "literal_hint"]

_WORDS: Final = {
    "and": "&&", "or": "||", "not": "!", "is": "==", "AND": "&&", "OR": "||", "NOT": "!",
    "True": "true", "False": "false", "None": "null", "TRUE": "true", "FALSE": "false", "NULL": "null",
    "nil": "null", "undefined": "null",
}  # fmt: skip
_CALLS: Final = {
    "len": "size(x)", "length": "size(x)", "count": "size(x)", "str": "string(x)", "float": "double(x)",
    "any": "x.exists(i, ...)", "defined": "has(x)", "startswith": "x.startsWith(y)", "endswith": "x.endsWith(y)",
    "match": "x.matches(y)", "includes": "x.contains(y)", "get": "has(x.y) ? x.y : z",
}  # fmt: skip
_SIGNS: Final = {
    "===": "==", "!==": "!=", "<>": "!=", "=": "==", "&": "&&", "|": "||",
    "??": "has(x.y) ? x.y : z", "?.": "has(x.y) ? x.y : z",
}  # fmt: skip
_SIGN = re.compile(r"[=!<>&|?.]+")
_TERNARY = re.compile(r"\s*(?P<yes>.+?)\s+if\s+(?P<test>.+?)\s+else\s+(?P<no>.+?)\s*", re.DOTALL)
_HYPHENED = re.compile(r"\b([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\.([A-Za-z_]\w*(?:-\w+)+)(?!\s*\()", re.ASCII)
_SHELL = re.compile(r"[#!]?([A-Za-z_]\w*)(?:\[[@*]\])?(?::?[-=?+#%/^,@:].*)?|[@*#?$!0-9]|\d+", re.ASCII | re.DOTALL)
_TEXTS = re.compile(r"""'[^'\n]*'|"[^"\n]*\"""")


def foreign_words(text: str) -> str:
    """Tell what CEL writes instead of what stands in an expression that it does not understand; empty: nothing."""
    is_whole = {"'", '"'}.isdisjoint(_TEXTS.sub("", text))  # else there is no telling what is text
    found = list(dict.fromkeys(_foreign(text))) if is_whole else []
    told = [f"{ours} for '{theirs}'" for theirs, ours in found]
    if told:
        return f"CEL writes {', '.join(told)}"
    return "it is CEL as it stands here, without '${' and '}'" if "${" in _TEXTS.sub("''", text) else ""


def hyphened(text: str) -> Iterator[tuple[str, str, str]]:
    """Give each `root.some-key`, where the hyphen is a minus: what stands before the key, the key, and both."""
    for found in _HYPHENED.finditer(_TEXTS.sub("''", text)):
        yield found[1], found[2], found[0]


def hyphen_hint(text: str, names: Collection[str]) -> str:
    """Tell how a key with a hyphen is written that is one of these names or has one as a part; empty: none is."""
    for before, key, whole in hyphened(text):
        if key in names or not set(key.split("-")).isdisjoint(names):
            return f"in '{whole}' the hyphen is a minus: write {before}['{key}']"
    return ""


def literal_hint(text: str, roots: Collection[str]) -> str:
    """Tell how a shell's `${VAR}` goes through as it is; empty: it is not one."""
    found = _SHELL.fullmatch(text.strip())
    if found is None or found[1] in {*roots, *_WORDS}:
        return ""
    data = f", and data of the run is read as 'trigger.{found[1]}'" if found[1] else ""
    return f"a literal '${{{text}}}', as for a shell, is written '$${{{text}}}'{data}"


def _foreign(text: str) -> Iterator[tuple[str, str]]:
    bare = _TEXTS.sub("''", text)
    if _TERNARY.fullmatch(bare) and (ternary := _TERNARY.fullmatch(text)):
        yield text.strip(), f"{ternary['test']} ? {ternary['yes']} : {ternary['no']}"
    signs = ["", *signs_of(text), ""]
    for before, sign, after in zip(signs, signs[1:], signs[2:], strict=False):
        if sign in _WORDS and before != ".":
            yield sign, _WORDS[sign]
        elif sign in _CALLS and (after == "(" or (sign == "length" and before == ".")):
            yield sign, _CALLS[sign]
    for sign in _SIGN.findall(bare):
        if sign in _SIGNS:
            yield sign, _SIGNS[sign]
