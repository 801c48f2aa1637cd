"""Set up a clone of secure_fetch and run one thing in it: `python3 .ci/bootstrap.py demo`, or `test`, `lint`, `types`.

Any Python can read this file, Python 2.7 included: one that is too old has to be able to say so. The rest is in
environment.py beside it.
"""

import os
import subprocess
import sys

OLDEST = (3, 10)
NEWEST = (3, 14)
BAD_MACHINE = 2


def works(command):
    """Whether a Python of that name is here and starts (a version manager's shim may not)."""
    with open(os.devnull, "w") as null:  # noqa: PTH123 - no pathlib in Python 2.7
        try:
            return subprocess.call([command, "-c", ""], stdout=null, stderr=null) == 0
        except OSError:
            return False


def newer():
    """Return the name of a Python on this machine that is new enough, the newest first, or None."""
    names = ["python%d.%d" % (OLDEST[0], minor) for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    return next((name for name in names if works(name)), None)


def too_old(version):
    """Return what to tell somebody whose Python is too old, or None where it is not."""
    if tuple(version[:2]) >= OLDEST:
        return None
    message = "secure_fetch needs Python %d.%d or newer; this is Python %d.%d (%s)." % (
        OLDEST + tuple(version[:2]) + (sys.executable,)
    )
    other = newer()
    if other:
        arguments = " ".join(sys.argv[1:])
        return message + " This machine has a newer one: %s %s %s" % (other, sys.argv[0], arguments)
    return message + " Install a newer one and type the same line with it."


def main():
    """Check the Python, then leave the rest to environment.py."""
    complaint = too_old(sys.version_info)
    if complaint:
        sys.stderr.write(complaint.rstrip() + "\n")
        return BAD_MACHINE
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - as above
    import environment  # noqa: PLC0415 - only a new enough Python can read it

    return environment.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
