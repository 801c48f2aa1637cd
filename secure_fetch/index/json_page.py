"""Project pages in JSON (PEP 691, with PEP 592, 658, 700, 708, 714, 740 and 792), read and written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import MalformedError
from ..trust.document import read_json
from .distributions import normalise
from .model import PageFile, ProjectPage, printable, usable_hashes
from .urls import Base

if TYPE_CHECKING:
    from collections.abc import Mapping


def parse_json(data: bytes, *, project: str, url: str) -> ProjectPage:
    """Read a page in JSON; raises `MalformedError` for any bytes that are not one of `project`.

    Strict: UTF-8, no duplicate keys, no floats, every field of its type. `null` is the same as no field. Fields that
    no specification names are left out.
    """
    what = f"the project page of {project[:80]}"
    page = _typed(what, "the page", read_json(data, what), dict)
    meta = _typed(what, "meta", page.get("meta"), dict)
    name = _typed(what, "name", page.get("name"), str)
    if normalise(name) != normalise(project):
        raise MalformedError(what, f"it is the page of {name[:80]!r}")
    base = Base(url)
    status = _field(what, page, "project-status", dict) or {}
    return ProjectPage(
        name=name,
        url=url,
        files=tuple(_file(base, entry) for entry in _typed(what, "files", page.get("files"), list)),
        versions=None if page.get("versions") is None else _texts(what, page, "versions"),
        api_version=_typed(what, "api-version", meta.get("api-version"), str),
        status=_text(what, status, "status"),
        status_reason=_text(what, status, "reason"),
        alternate_locations=_texts(what, page, "alternate-locations"),
        tracks=_texts(what, meta, "tracks"),
    )


def _file(base: Base, entry: object) -> PageFile:
    what = "an entry of a project page"
    fields = _typed(what, "the entry", entry, dict)
    filename = _typed(what, "filename", fields.get("filename"), str)
    what = f"the entry of {filename[:200]!r}"
    url = base.join(_typed(what, "url", fields.get("url"), str), what)
    if url is None:
        raise MalformedError(what, f"nothing can be fetched from {fields['url'][:200]!r}")
    provenance = _field(what, fields, "provenance", str)
    metadata = "core-metadata" if fields.get("core-metadata") is not None else "dist-info-metadata"  # PEP 714
    return PageFile(
        filename=filename,
        url=url,
        hashes=_hashes(what, "hashes", {} if fields.get("hashes") is None else fields["hashes"]),
        requires_python=_text(what, fields, "requires-python"),
        yanked=_yanked(what, fields.get("yanked")),
        core_metadata=_core_metadata(what, metadata, fields.get(metadata)),
        size=_field(what, fields, "size", int),
        upload_time=_field(what, fields, "upload-time", str),
        gpg_sig=_field(what, fields, "gpg-sig", bool),
        provenance=None if provenance is None else base.join(provenance, what),
    )


def _yanked(what: str, value: object) -> str | None:
    """Read PEP 691's boolean or reason; an empty reason, which it forbids, counts as yanked."""
    if value is None or value is False:
        return None
    return "" if value is True else printable(_typed(what, "yanked", value, str))


def _core_metadata(what: str, name: str, value: object) -> Mapping[str, str] | bool | None:
    """Read PEP 658's boolean or hashes; where none of the hashes can be used, there is metadata without a hash."""
    if value is None or isinstance(value, bool):
        return value
    return _hashes(what, name, value) or True


def _hashes(what: str, name: str, value: object) -> dict[str, str]:
    hashes = _typed(what, name, value, dict)
    for digest in hashes.values():
        _typed(what, name, digest, str)
    return usable_hashes(hashes)


def _text(what: str, fields: Mapping[str, Any], name: str) -> str | None:
    value = _field(what, fields, name, str)
    return None if value is None else printable(value)


def _texts(what: str, fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = _field(what, fields, name, list) or []
    return tuple(printable(_typed(what, name, value, str)) for value in values)


def _field(what: str, fields: Mapping[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401 - an instance of `kind`
    value = fields.get(name)
    return None if value is None else _typed(what, name, value, kind)


def _typed(what: str, name: str, value: object, kind: type) -> Any:  # noqa: ANN401 - an instance of `kind`
    if type(value) is not kind:  # JSON has exact types, and `true` is no integer
        raise MalformedError(what, f"{name} is missing or not {_KINDS[kind]}")
    return value


_KINDS = {dict: "an object", list: "a list", str: "a string", int: "an integer", bool: "true or false"}


def render_json(page: ProjectPage) -> bytes:
    """Write a page in JSON, with every field: the same bytes for the same page, all of them ASCII.

    URLs are relative where they can be. Metadata goes under its new name only, since the old one makes pip before
    23.2 fail (PEP 714).
    """
    base = Base(page.url)
    meta: dict[str, Any] = {"api-version": page.api_version}
    if page.tracks:
        meta["tracks"] = page.tracks
    document: dict[str, Any] = {"meta": meta, "name": page.name, "files": [_entry(base, file) for file in page.files]}
    if page.versions is not None:
        document["versions"] = page.versions
    if page.alternate_locations:
        document["alternate-locations"] = page.alternate_locations
    status = _present({"status": page.status, "reason": page.status_reason})
    if status:
        document["project-status"] = status
    return _dump(document)


def _entry(base: Base, file: PageFile) -> dict[str, Any]:
    metadata = file.core_metadata
    return _present(
        {
            "filename": file.filename,
            "url": base.relative(file.url),
            "hashes": dict(file.hashes),
            "requires-python": file.requires_python,
            "yanked": True if file.yanked == "" else file.yanked,
            "core-metadata": metadata if metadata is None or isinstance(metadata, bool) else dict(metadata),
            "size": file.size,
            "upload-time": file.upload_time,
            "gpg-sig": file.gpg_sig,
            "provenance": file.provenance,
        }
    )


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def render_project_list_json(names: Mapping[str, str]) -> bytes:
    """Write the root of an index: `names` maps normalised names to names as they are shown."""
    return _dump({"meta": {"api-version": "1.0"}, "projects": [{"name": name} for name in names.values()]})


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
