"""The tags of an HTML page that a project page is made of: `<a>`, `<meta>`, `<base>`, and nothing else of it.

There are two readers. One takes pages in the plain form that indexes write, about four times as fast as
`html.parser`, and gives up at the first thing that it does not know; then `html.parser` reads the page instead. On
what both read they agree, and a property test holds them together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser

from ..errors import MalformedError

MAX_TAGS = 1_000_000  # opened, closed, comments: enough for 300,000 links
MAX_TAG = 1 << 18  # characters of one tag or comment
_CHUNK = 1 << 16

Attributes = dict[str, "str | None"]


@dataclass(frozen=True, slots=True)
class Tags:
    """Attributes of the tags of a page, in the page's order, values unescaped; `base` is the first `<base>` link."""

    anchors: list[Attributes] = field(default_factory=list)
    metas: list[Attributes] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)


def read_tags(data: bytes, what: str) -> Tags:
    """Read an HTML page in UTF-8, in time linear to its length.

    Raises `MalformedError` for other encodings, one attribute twice in a tag (browsers take the first, pip the last),
    a page that ends within a tag, a comment or a script, and for more than a million tags.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError(what, "it is not valid UTF-8") from None
    if text.count("<") > MAX_TAGS:  # each step of a reader begins at one
        raise MalformedError(what, f"it has more than {MAX_TAGS} tags")
    tags = _plain(text)
    if tags is None:
        tags = _general(text, what)
    return tags


# A value holds nothing that two readers could take differently: no bare ampersand, no control character.
_REFERENCE = "&(?:amp|lt|gt|quot|#34|#39|#x27);"
_VALUE = rf"[^\"&<>\x00-\x1f]*(?:{_REFERENCE}[^\"&<>\x00-\x1f]*)*"
_ATTRIBUTES = rf"(?:[ \n]+[a-z][a-z0-9-]*=\"{_VALUE}\")*"
_PLAIN = re.compile(
    rf"<a({_ATTRIBUTES})[ \n]*>[^<]*</a>(?:[ \n]*<br[ ]?/?>)?\s*"
    rf"|<meta({_ATTRIBUTES})[ ]?/?>\s*"
    r"|<title>[^<]*</title>\s*"
    rf"|</?(?:html|head|body|h[1-6]|p|br|hr|ul|li)(?:{_ATTRIBUTES})[ ]?/?>"
    r"|<!(?:DOCTYPE|doctype) [a-z]+>"
    r"|[^<]+"
)
_ATTRIBUTE = re.compile(rf"([a-z][a-z0-9-]*)=\"({_VALUE})\"")


def _plain(text: str) -> Tags | None:
    """Read a page that holds nothing but plain tags and text, or return None."""
    tags, position, end = Tags(), 0, len(text)
    match_at, pairs = _PLAIN.match, _ATTRIBUTE.findall
    while position < end:
        match = match_at(text, position)
        if match is None:
            return None
        position = match.end()
        if match.lastindex:
            found = pairs(match[match.lastindex])
            attributes: Attributes = dict(found)
            if len(attributes) != len(found):
                return None
            for name, value in found:
                if "&" in value:
                    attributes[name] = unescape(value)
            (tags.anchors if match.lastindex == 1 else tags.metas).append(attributes)
    return tags


class _Reader(HTMLParser):
    def __init__(self, what: str) -> None:
        super().__init__(convert_charrefs=True)
        self.what = what
        self.tags = Tags()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("a", "meta", "base"):
            return
        attributes = dict(attrs)
        if len(attributes) != len(attrs):
            raise MalformedError(self.what, f"a tag <{tag}> has an attribute twice")
        if tag == "a":
            self.tags.anchors.append(attributes)
        elif tag == "meta":
            self.tags.metas.append(attributes)
        elif attributes.get("href") is not None:
            self.tags.bases.append(attributes["href"] or "")


def _general(text: str, what: str) -> Tags:
    """Read any page with `html.parser`.

    In pieces, and refusing what stays unread for long: the parser looks again and again for the end of a tag that is
    not closed, which over a whole page takes time in the square of its length. It is never told that the page is at
    its end, since then it would do just that.
    """
    reader = _Reader(what)
    try:
        for start in range(0, len(text), _CHUNK):
            reader.feed(text[start : start + _CHUNK])
            if len(reader.rawdata) > MAX_TAG:
                raise MalformedError(what, f"a tag, comment or script is longer than {MAX_TAG} characters")
    except (AssertionError, ValueError) as error:  # unknown declarations; character references of 5,000 digits
        raise MalformedError(what, f"it is not HTML ({str(error)[:80]})") from None
    if "<" in reader.rawdata or reader.cdata_elem:
        raise MalformedError(what, "it ends within a tag, a comment or a script")
    return reader.tags
