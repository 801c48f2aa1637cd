"""What a command works with: the configuration, the folders, and one client for each repository."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..errors import StoreError
from .settings import ENVIRONMENT, Settings

if TYPE_CHECKING:
    import argparse
    from pathlib import Path
    from types import TracebackType

    from ..client import Client
    from ..config import Configuration, Repository
    from ..transport import Transport


class Clients:
    """One client for each repository, made when it is first asked for; may be used from many threads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._made: dict[str, Client] = {}
        self._lock = threading.Lock()

    def for_project(self, name: str) -> Client:
        """Return the client of the first repository that may supply a project, and of no other.

        Raises `ConfigurationError`, or `NotFoundError` where no repository may supply it.
        """
        return self.of(self._context.configuration().repository_for(name))

    def named(self, name: str) -> Client:
        """Return the client of a repository by its name (`ConfigurationError`)."""
        return self.of(self._context.configuration().named(name))

    def of(self, repository: Repository) -> Client:
        """Return the client of a repository."""
        with self._lock:
            if repository.name not in self._made:
                self._made[repository.name] = self._context.client(repository)
            return self._made[repository.name]

    def close(self) -> None:
        """Close all clients that were made."""
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()


class Context:
    """Everything a command needs that comes from outside of it. Close it, or use it as a context manager."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.settings = Settings(options)
        self._configuration: Configuration | None = None
        self._clients = Clients(self)

    def __enter__(self) -> Context:  # noqa: PYI034 - `Self` comes with Python 3.11
        """Return the context itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the context."""
        self.close()

    def close(self) -> None:
        """Close all clients."""
        self._clients.close()

    @property
    def cache_dir(self) -> Path:
        """Where files are kept that can be fetched again (`ConfigurationError` where there is no home)."""
        return self.settings.folder("cache-dir")

    @property
    def state_dir(self) -> Path:
        """Where trusted metadata is kept, the memory against rollbacks (`ConfigurationError` as above)."""
        return self.settings.folder("state-dir")

    def configuration(self) -> Configuration:
        """Return the repositories of all configuration files; of two with one name the stronger file's counts.

        Raises `ConfigurationError`, `StoreError`.
        """
        if self._configuration is None:
            from ..config import Configuration

            found: dict[str, Repository] = {}
            for file in self.settings.files:
                for repository in file.configuration(self.settings.environment).repositories:
                    found.setdefault(repository.name, repository)
            self._configuration = Configuration(repositories=tuple(found.values()))
        return self._configuration

    def transport(self, repository: Repository) -> Transport:
        """Return the way to a repository: a folder for file: URLs, else HTTP with the user's settings."""
        from ..transport import FolderTransport, HTTPTransport

        urls = (*repository.metadata_urls, *repository.targets_urls)
        if all(url.startswith("file:") for url in urls):
            return FolderTransport.from_urls(*urls)
        proxy = self.settings.get("proxy").value
        index_urls = (repository.index_url, *urls) if repository.index_url else urls
        return HTTPTransport(
            limits=repository.limits,
            ca=self.settings.path("cert"),
            client_cert=self.settings.path("client-cert"),
            proxies={"http": str(proxy), "https": str(proxy)} if proxy else None,
            index_urls=index_urls,
            keyring=bool(self.settings.get("keyring").value),
        )

    def client(self, repository: Repository) -> Client:
        """Return a new client of a repository; the caller closes it. Raises `ConfigurationError`, `StoreError`."""
        from .. import disk
        from ..client import Client

        for key, folder in (("state-dir", self.state_dir), ("cache-dir", self.cache_dir)):
            try:
                disk.make_folder(folder)
            except StoreError as error:
                variable = ENVIRONMENT + key.upper().replace("-", "_")
                disk.point_elsewhere(error, f"another folder with --{key} or {variable}")
                raise
        return Client(
            repository, cache_dir=self.cache_dir, state_dir=self.state_dir, transport=self.transport(repository)
        )

    def clients(self) -> Clients:
        """Return the clients of all repositories; they are closed with this context."""
        return self._clients
