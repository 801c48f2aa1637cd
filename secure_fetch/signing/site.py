"""The pages: rendered and kept under their hash before anything names them, under their plain name at the very end."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..index import pages
from . import catalog as catalogs
from .writer import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .catalog import Catalog, CatalogFile
    from .progress import Progress
    from .writer import Writer

#: the key of the project list among the projects; no project has an empty name
LIST = ""
_RENDERING = 1  # a change of the renderers that should reach pages which did not change otherwise
_NAMES = ("index.html", "index.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One rendered page: `source` is the digest of what it was made from, `targets` are its two forms by path."""

    source: str
    targets: Mapping[str, Mapping[str, Any]]


class Site:
    """The folders `simple/` and `packages/` of what is served."""

    def __init__(self, public: Path, writer: Writer) -> None:
        self._public = public
        self._writer = writer

    def render(self, catalog: Catalog, before: Mapping[str, Page], progress: Progress) -> dict[str, Page]:
        """Return every page that the catalog makes; those that differ from `before` are written under their hash."""
        projects = catalog.projects()
        made = {LIST: self._list(list(projects), before.get(LIST))}
        with progress("Rendering pages", len(projects)) as advance:
            for project, files in projects.items():
                made[project] = self._project(project, files, before.get(project))
                advance(1)
        return made

    def show(self, names: Iterable[str], made: Mapping[str, Page]) -> None:
        """Write pages under their plain names, and remove those of projects that have no page any more."""
        for name in names:
            if name in made:
                for path, entry in made[name].targets.items():
                    self._show(path, entry)
            else:
                for form in _NAMES:
                    with contextlib.suppress(FileNotFoundError):
                        (self._public / "simple" / name / form).unlink()

    def shown(self) -> set[str]:
        """Return the projects that have a folder of pages."""
        return {folder.name for folder in (self._public / "simple").iterdir() if folder.is_dir()}

    def _show(self, path: str, entry: Mapping[str, Any]) -> None:
        plain = self._public / path
        data = plain.with_name(f"{entry['hashes']['sha256']}.{plain.name}").read_bytes()
        if read_bytes(plain) != data:
            self._writer.replace(plain, data)

    def _list(self, projects: list[str], before: Page | None) -> Page:
        source = catalogs.digest([_RENDERING, projects])
        if before is not None and before.source == source:
            return before
        forms = (pages.render_project_list_html(projects), pages.render_project_list_json(projects))
        return self._page("simple", source, forms)

    def _project(self, project: str, files: list[CatalogFile], before: Page | None) -> Page:
        source = source_of(files)
        if before is not None and before.source == source:
            return before
        for file in files:
            self._check(file)
        page = catalogs.page(project, files)
        return self._page(f"simple/{project}", source, (pages.render_html(page), pages.render_json(page)))

    def _check(self, file: CatalogFile) -> None:
        for path, entry in file.targets().items():
            place = self._public / path
            if not place.is_file() or place.stat().st_size != entry["length"]:
                raise StoreError(
                    place,
                    "it was added, and is now missing or of another length",
                    hint=f"Restore it from a backup, or add it again (`secure-fetch repo add … {file.filename}`).",
                )

    def _page(self, folder: str, source: str, forms: tuple[bytes, bytes]) -> Page:
        targets = {}
        for name, data in zip(_NAMES, forms, strict=True):
            sha256 = hashlib.sha256(data).hexdigest()
            self._writer.put(self._public / folder / f"{sha256}.{name}", data)
            # One hash, and so one name: clients that have several may each choose another for the file name.
            targets[f"{folder}/{name}"] = {"length": len(data), "hashes": {"sha256": sha256}}
        return Page(source=source, targets=targets)


def source_of(files: Iterable[CatalogFile]) -> str:
    """Return the digest of what a project's page is made from."""
    return catalogs.digest([_RENDERING, [asdict(file) for file in files]])
