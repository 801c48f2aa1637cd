"""Runs a program of pip's, but for version control: what git, hg, svn or bzr would fetch, nothing vouches for.

A package's metadata can name such a source (`x @ svn+https://…`), and these programs obey no proxy setting of ours. It
is a program of its own, run by the interpreter that is installed into, which need not have this package.
"""

import os
import runpy
import sys

REFUSED = "was not run: nothing vouches for what it would fetch."
_VCS = ("git", "hg", "svn", "bzr", "brz")


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Keep this process from starting one of these programs (an audit hook, PEP 578)."""
    if event != "subprocess.Popen":
        return
    executable, command = arguments[:2]
    first = command[0] if isinstance(command, list | tuple) and command else str(command).partition(" ")[0]
    for program in (executable, first):
        name = os.path.basename(os.fsdecode(program)) if isinstance(program, str | bytes | os.PathLike) else ""  # noqa: PTH119 - bytes too
        if name.lower().removesuffix(".exe") in _VCS:
            sys.stderr.write(f"ERROR: {name} {REFUSED}\n")
            raise PermissionError(name)


if __name__ == "__main__":
    del sys.argv[0]
    if os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(__file__)):  # noqa: PTH120 - no more imports than need be
        del sys.path[0]
    sys.addaudithook(refuse)
    runpy.run_path(sys.argv[0], run_name="__main__")
