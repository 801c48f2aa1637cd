"""Hypothesis strategies for JSON: values, and every way to write one down."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

INTEGERS = st.integers(min_value=-(10**19) + 1, max_value=10**19 - 1)
# Control characters, quotes, backslashes, a line separator, two and four byte characters, a non-character.
TEXT = st.text(
    st.one_of(
        st.sampled_from('\x00\b\t\n\f\r\x1f "\\/abz\x7f\x80é\u2028\ufffe\U0001f600,:[]{}-0'),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=12,
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=5)
# What JSON allows and metadata does not, too.
ANY_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

_SPACE = st.sampled_from(["", "", "", " ", "\n", "\t \r\n"])
_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def written(draw: st.DrawFn, value: Any) -> str:
    """Return a value in one of the many spellings of JSON: key order, white space, escapes, `-0`."""
    space = draw(_SPACE)
    if isinstance(value, dict):
        keys = draw(st.permutations(sorted(value)))
        members = (f"{written_text(draw, key)}{space}:{space}{written(draw, value[key])}" for key in keys)
        return "{" + space + f"{space},".join(members) + space + "}"
    if isinstance(value, list):
        return "[" + space + f",{space}".join(written(draw, item) for item in value) + space + "]"
    if isinstance(value, str):
        return written_text(draw, value)
    if type(value) is int and value == 0:
        return draw(st.sampled_from(["0", "-0"]))
    return json.dumps(value)


def written_text(draw: st.DrawFn, text: str) -> str:
    """Return a string with some of its characters escaped, and always those that must be."""
    style = draw(st.sampled_from(["least", "least", "all", "short"]))
    return '"' + "".join(_character(character, style) for character in text) + '"'


def _character(character: str, style: str) -> str:
    if style == "short" and character == "/":
        return "\\/"
    if style != "all":
        if character in _NAMED:
            return _NAMED[character]
        if character >= " ":
            return character
    return json.dumps(character, ensure_ascii=True)[1:-1] if ord(character) > 0xFFFF else f"\\u{ord(character):04X}"


@st.composite
def spelled(draw: st.DrawFn, values: st.SearchStrategy[Any] = OBJECTS) -> tuple[Any, str]:
    """Draw a value and one of its spellings."""
    value = draw(values)
    return value, written(draw, value)
