"""Tiny real wheels and sdists, made here and installable by any pip."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIME = (2020, 1, 1, 0, 0, 0)

# A whole build backend: it makes the wheel of a project that has one module, and it needs `lib` to do so.
_BACKEND = """
import base64, hashlib, os, pathlib, zipfile
import {needs}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, version = "{name}", "{version}"
    info = f"{{name}}-{{version}}.dist-info"
    files = {{
        f"{{name}}.py": f"BUILT_WITH = '{needs} {{{needs}.VERSION}}'\\n",
        f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {{name}}\\nVersion: {{version}}\\n",
        f"{{info}}/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{{info}}/RECORD": "",
    }}
    wheel = f"{{name}}-{{version}}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel
"""


def metadata(name: str, version: str, requires: Sequence[str] = (), requires_python: str | None = None) -> bytes:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    return "\n".join([*lines, ""]).encode()


def wheel(
    name: str, version: str = "1.0", *, requires: Sequence[str] = (), modules: Mapping[str, str] | None = None
) -> tuple[str, bytes]:
    """Return a wheel's file name and bytes; its one module has a VERSION."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f'VERSION = "{version}"\n'.encode(),
        **{path: text.encode() for path, text in (modules or {}).items()},
        f"{info}/METADATA": metadata(name, version, requires),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, _TIME), data)
    return f"{module}-{version}-py3-none-any.whl", buffer.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def sdist(name: str, version: str = "1.0", *, needs: str) -> tuple[str, bytes]:
    """Return an sdist whose own build backend imports the project `needs`, a build dependency from the index."""
    files = {
        "pyproject.toml": f'[build-system]\nrequires = ["{needs}"]\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": _BACKEND.format(name=name, version=version, needs=needs),
        "PKG-INFO": metadata(name, version).decode(),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return f"{name}-{version}.tar.gz", buffer.getvalue()
