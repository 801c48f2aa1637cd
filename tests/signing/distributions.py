"""Wheels and sdists made in tests: real ones, which pip installs, and ones with a fault."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def metadata(name: str, version: str, *fields: str) -> str:
    return "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *fields, "", "What it does.\n"])


def wheel(
    folder: Path, name: str = "demo", version: str = "1.0", *fields: str, body: str = "", text: str | None = None
) -> Path:
    """Write a wheel that pip installs; `text` replaces its METADATA, `body` is its module."""
    plain = name.replace("-", "_")
    info = f"{plain}-{version}.dist-info"
    files = {
        f"{plain}.py": body or f"VERSION = {version!r}\n",
        f"{info}/METADATA": metadata(name, version, *fields) if text is None else text,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_digest(data)},{len(data.encode())}" for path, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,\n"])
    return archive(folder / f"{plain}-{version}-py3-none-any.whl", files)


def archive(path: Path, files: dict[str, str]) -> Path:
    """Write a zip file whose bytes depend on `files` alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return path


def sdist(folder: Path, name: str = "demo", version: str = "1.0", *fields: str, filename: str | None = None) -> Path:
    """Write an sdist as PEP 625 has it."""
    files = {f"{name}-{version}/PKG-INFO": metadata(name, version, *fields), f"{name}-{version}/setup.py": "\n"}
    return tarball(folder / (filename or f"{name.replace('-', '_')}-{version}.tar.gz"), files)


def tarball(path: Path, files: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as opened:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            opened.addfile(entry, io.BytesIO(text.encode()))
    path.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
