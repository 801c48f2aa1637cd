"""URLs as pages and configurations hold them: joined, checked and compared (RFC 3986), never fetched here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin

from ..errors import MalformedError

DEFAULT_PORTS = {"http": 80, "https": 443}

_CHARACTERS = r"A-Za-z0-9\-._~!$&'()*+,;=:@"
_QUOTE = r"%[0-9A-Fa-f]{2}"


def _run(extra: str) -> str:
    return rf"[{_CHARACTERS}{extra}]*(?:{_QUOTE}[{_CHARACTERS}{extra}]*)*"


_WELL_FORMED = re.compile(
    rf"([a-z][a-z0-9+.-]*)://((?:[A-Za-z0-9\-._~!$&'()*+,;=:%]*@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]*)(?::[0-9]{{0,5}})?)"
    rf"((?:/{_run('/')})?)((?:\?{_run('/?')})?)"
)
_PARTS = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL)
_STRAY = re.compile(rf"%(?![0-9A-Fa-f]{{2}})|[^{_CHARACTERS}/?%]")
_QUOTED_OR_STRAY = re.compile(rf"{_QUOTE}|{_STRAY.pattern}")
_HOSTILE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\]")
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._~-]*)(?::([0-9]{0,5}))?")
_MAX_PORT = 65535
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# Up any number of folders, then segments in which nothing has a meaning of its own.
_ORDINARY = re.compile(
    r"((?:\.\./)*)((?:[A-Za-z0-9_~!$&'()*+,=@-][A-Za-z0-9._~!$&'()*+,=@-]*/)*[A-Za-z0-9_+-][\w.+-]*)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What comes before the query of a well-formed absolute URL."""

    scheme: str
    authority: str
    path: str


def check(url: str, what: str) -> re.Match[str]:
    """Check that a URL is absolute, ASCII, quoted, and has a lower-case scheme and no fragment (`MalformedError`).

    Schemes `http` and `https` need a host.
    """
    match = _WELL_FORMED.fullmatch(url)
    if match is None or (not match[3] and match[1] in DEFAULT_PORTS):
        raise MalformedError(what, f"{url[:200]!r} is not an absolute, quoted URL without a fragment")
    return match


def split(url: str, what: str) -> Parts:
    """Take apart a URL that `check` lets through (`MalformedError`)."""
    match = check(url, what)
    return Parts(match[1], match[2], match[4])


def last_segment(url: str, what: str) -> str:
    """Return the last segment of a well-formed URL's path, decoded once, or "" where the path is empty or a folder.

    Raises `MalformedError` where it is not UTF-8.
    """
    before, _, segment = url.partition("?")[0].rpartition("/")
    if before.endswith(":/") and before.count("/") == 1:  # what was taken for a segment is the host
        return ""
    if "%" not in segment:
        return segment
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise MalformedError(what, f"{segment[:200]!r} is not UTF-8") from None


class Base:
    """What the links of a page are relative to: the page's URL, or its `<base>`."""

    def __init__(self, url: str, *, scheme: str | None = None) -> None:
        """Read `url`; links lead to http, https, or to `scheme` (by default the scheme of `url`)."""
        parts = split(url, "the URL of a page")
        self.url = url
        self.schemes = {"http", "https", scheme or parts.scheme}
        self._origin = f"{parts.scheme}://{parts.authority}/"
        folders = parts.path.split("/")[1:-1]
        plain = all(folder not in ("", ".", "..") for folder in folders)
        # The folder that any number of `../` leads to; empty where only the general way is right.
        self._up = [self._origin + "".join(f"{name}/" for name in folders[:end]) for end in range(len(folders), -1, -1)]
        if not plain:
            self._up = []

    def join(self, link: str, what: str = "a link") -> str | None:
        """Return the URL that `link` leads to, quoted and without fragment, or None where nothing can be fetched there.

        Nothing can be fetched from `javascript:`, `data:`, `mailto:` and the like. Raises `MalformedError` for control
        characters, backslashes, and what is no URL at all.
        """
        ordinary = _ORDINARY.fullmatch(link)
        if ordinary and len(ordinary[1]) // 3 < len(self._up):
            return self._up[len(ordinary[1]) // 3] + ordinary[2]
        link = link.strip(" \t\r\n\f")
        if _HOSTILE.search(link):
            raise MalformedError(what, f"{link[:200]!r} holds a backslash or a control character")
        link = _quoted(link)
        scheme = _PARTS.fullmatch(link)[1]  # type: ignore[index] # it matches any text
        if scheme and scheme not in self.schemes:
            return None
        if not (scheme and link.startswith(f"{scheme}://")):
            try:
                link = urljoin(self.url, link)
            except ValueError as error:
                raise MalformedError(what, f"{link[:200]!r} is not a URL ({error})") from None
        check(link, what)
        return link

    def relative(self, url: str) -> str:
        """Return the shortest link to `url` that leads there from any copy of this page; `url` where there is none.

        The link goes up to the folder that both share, so that a mirror may lie under another path.
        """
        if not self._up or not url.startswith(self._origin):
            return url
        ups, folder = next((ups, folder) for ups, folder in enumerate(self._up) if url.startswith(folder))
        link = "../" * ups + url[len(folder) :]
        return link if self._leads(link, url) else url

    def _leads(self, link: str, url: str) -> bool:
        try:
            return self.join(link) == url
        except MalformedError:
            return False


def _quoted(link: str) -> str:
    """Return `link` without its fragment, its scheme in lower case, its path and query quoted."""
    scheme, authority, path, query = _PARTS.fullmatch(link).groups()  # type: ignore[union-attr] # it matches any text
    quoted = "" if scheme is None else f"{scheme.lower()}:"
    quoted += "" if authority is None else f"//{authority}"
    quoted += _STRAY.sub(_quote, path)
    return quoted if query is None else f"{quoted}?{_STRAY.sub(_quote, query)}"


def _quote(match: re.Match[str]) -> str:
    return quote(match[0], safe="")


def normalise_url(url: str) -> str:
    """Return `url` in the one spelling by which URLs are compared (TRAPS D5).

    Without user, password, fragment and default port, scheme and host in lower case, quotes in upper case and only
    where needed, no doubled slashes and no dot segments. Raises `MalformedError` for an encoded slash or backslash, a
    control character in any spelling, and what is not an absolute URL.
    """
    what = "a URL"
    if _HOSTILE.search(url):
        raise MalformedError(what, f"{url[:200]!r} holds a backslash or a control character")
    scheme, authority, path, query = _PARTS.fullmatch(url).groups()  # type: ignore[union-attr] # it matches any text
    if scheme is None or authority is None:
        raise MalformedError(what, f"{url[:200]!r} is not absolute")
    scheme = scheme.lower()
    # ASCII first: the lower case of some other letters is ASCII, and would turn one host into another.
    place = _AUTHORITY.fullmatch(authority.rpartition("@")[2].lower()) if authority.isascii() else None
    host = place[1].removesuffix(".") if place else ""
    unnamed = not host and place is not None and (scheme in DEFAULT_PORTS or place[2])
    if place is None or unnamed or (host and "" in host.split(".")):
        raise MalformedError(what, f"{authority[:200]!r} is not a host with a port")
    port = int(place[2]) if place[2] else DEFAULT_PORTS.get(scheme)
    if port is not None and port > _MAX_PORT:
        raise MalformedError(what, f"{port} is not a port")
    netloc = host if port == DEFAULT_PORTS.get(scheme) else f"{host}:{port}"
    normal = f"{scheme}://{netloc}{_without_dots(_requoted(path, slashes=False))}"
    return normal if query is None else f"{normal}?{_requoted(query, slashes=True)}"


def _requoted(text: str, *, slashes: bool) -> str:
    """Return `text` with each character quoted where it has to be and nowhere else; `slashes`: `%2F` may stand."""

    def one(match: re.Match[str]) -> str:
        if len(match[0]) == 1:
            if match[0] == "%":
                raise MalformedError("a URL", f"{text[:200]!r} has a per cent sign that quotes nothing")
            return quote(match[0], safe="")
        code = int(match[0][1:], 16)
        if code < 0x20 or code == 0x7F or (not slashes and chr(code) in "/\\"):  # noqa: PLR2004 - ASCII
            raise MalformedError("a URL", f"{text[:200]!r} has an encoded slash, backslash or control character")
        return chr(code) if chr(code) in _UNRESERVED else match[0].upper()

    return _QUOTED_OR_STRAY.sub(one, text)


def _without_dots(path: str) -> str:
    """Return `path` from its first slash, without empty, `.` and `..` segments (RFC 3986, section 5.2.4)."""
    segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    closed = "/" if kept and segments[-1] in ("", ".", "..") else ""
    return "/" + "/".join(kept) + closed
