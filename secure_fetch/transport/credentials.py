"""Credentials for a private index, found where pip finds them: the URL, netrc, keyring.

They live in memory, for one origin (scheme, host and port) each, and their repr shows nothing.
"""

from __future__ import annotations

import base64
import netrc
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from .addresses import origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user and a password; `password` is None where a URL names only the user."""

    user: str = field(repr=False)
    password: str | None = field(repr=False)

    def header(self) -> str:
        """Return the value of an Authorization header (RFC 7617), in Latin-1 as pip sends it where that is possible."""
        text = f"{self.user}:{self.password or ''}"
        try:
            data = text.encode("latin-1")
        except UnicodeEncodeError:
            data = text.encode("utf-8")
        return "Basic " + base64.b64encode(data).decode("ascii")


def separate(url: str) -> tuple[str, Login | None]:
    """Return `url` without user and password, and these, percent-decoded (`ValueError` for what is no URL)."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    clean = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    if not at or not userinfo:
        return clean, None
    user, colon, password = userinfo.partition(":")
    return clean, Login(user=unquote(user), password=unquote(password) if colon else None)


class Credentials:
    """What is known for each origin; may be used from many threads.

    `index_urls` are the URLs that a keyring may keep credentials under; a user and password in one of them count for
    its whole origin, as they do in pip. What has no host is a `ValueError`.
    """

    def __init__(self, *, index_urls: Sequence[str] = (), keyring: bool = True) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Login] = {}
        self._asked: dict[tuple[str, str | None], Login | None] = {}
        self._keyring = keyring
        self._trouble: list[str] = []
        self._index_urls: list[str] = []
        for url in index_urls:
            clean, login = separate(url)
            origin(clean)  # `ValueError` now, not in the middle of a download
            self._index_urls.append(clean)
            self.remember(clean, login)

    def remember(self, url: str, login: Login | None) -> None:
        """Keep `login` for the origin of `url`, unless one is known already."""
        if login is not None:
            self._known.setdefault(origin(url), login)

    def known(self, url: str, *, redirected: bool) -> Login | None:
        """Return what is to be sent at once: credentials of this origin, else those of its host in netrc.

        As in pip, netrc also wins over a URL that names a user only. Its `default` entry would fit any host, so it
        never answers for one that a redirect leads to.
        """
        login = self._known.get(origin(url))
        if login is not None and login.password is not None:
            return login
        return self._netrc(urlsplit(url).hostname or "", default=not redirected) or login

    def after_refusal(self, url: str, refused: Login | None) -> Login | None:
        """Return what keyring has for `url` after a 401, or None if that is nothing new."""
        user = refused.user if refused is not None else None
        key = (origin(url), user)
        with self._lock:  # one question at a time: some keyrings ask the user
            if key not in self._asked:
                self._asked[key] = self._ask_keyring(url, user)
            found = self._asked[key]
        return found if found != refused else None

    def accept(self, url: str, login: Login) -> None:
        """Keep `login` for the origin of `url`, because the server took it."""
        self._known[origin(url)] = login

    def searched(self) -> str:
        """Return where credentials are looked for, and what went wrong there, for a message."""
        places = "Credentials are looked for in the index URL (https://${USER}:${PASSWORD}@…), in netrc"
        places += " and in keyring." if self._keyring else "."
        return " ".join([places, *(f"({trouble}.)" for trouble in dict.fromkeys(self._trouble))])

    def _netrc(self, host: str, *, default: bool) -> Login | None:
        for path in _netrc_files():
            try:
                entries = netrc.netrc(str(path))
            except FileNotFoundError:
                continue
            except (netrc.NetrcParseError, OSError, UnicodeError) as error:
                # Neither the file's text nor the error's may be shown: a parser's complaint can quote a password.
                self._trouble.append(f"{path} cannot be read: {type(error).__name__}")
                continue
            found = entries.hosts.get(host) or (entries.hosts.get("default") if default else None)
            return Login(user=found[0] or found[1] or "", password=found[2] or "") if found else None
        return None

    def _ask_keyring(self, url: str, user: str | None) -> Login | None:
        if not self._keyring:
            return None
        try:
            import keyring  # noqa: PLC0415 - optional, slow to import, and needed only after a refusal

            for service in self._services(url):
                found = keyring.get_credential(service, user)
                if found is not None:
                    return Login(user=found.username, password=found.password)
        except ImportError:
            self._trouble.append("The package keyring is not installed")
        except Exception as error:  # noqa: BLE001 - a keyring runs the system's services; none may end a download
            self._trouble.append(f"keyring failed: {type(error).__name__}")
        return None

    def _services(self, url: str) -> Iterator[str]:
        """Yield the names a keyring may know `url` by, as in pip: its index's URL, then its host and port."""
        for index_url in self._index_urls:
            if origin(index_url) == origin(url):
                yield index_url
        yield urlsplit(url).netloc


def _netrc_files() -> Iterator[Path]:
    named = os.environ.get("NETRC")
    if named:
        yield Path(named).expanduser()
        return
    try:
        home = Path.home()
    except RuntimeError:  # no home: a container's user without an entry
        return
    yield home / ".netrc"
    yield home / "_netrc"
