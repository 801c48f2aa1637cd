"""Which of pip's settings stay."""

from __future__ import annotations

from secure_fetch.cli import pip_settings

LISTING = """\
global.only-binary=':all:'
global.extra-index-url='\\nhttps://a.example/simple\\nhttps://b.example/simple'
global.timeout='60'
install.only-binary='flask'
install.user='true'
install.constraint='a.txt b.txt'
install.build-constraint='c.txt'
download.dest='somewhere'
wheel.no-binary='x'
:env:.only-binary='env'
:env:.pre=''
:env:.unheard-of='1'
:env:.editable='git+https://evil.example/x'
not a setting
global.broken='
global.number=1
"""


def test_what_is_no_source_stays_and_the_stronger_wins() -> None:
    found = pip_settings.read(LISTING, "install")
    assert found.variables == {
        "PIP_ONLY_BINARY": "env",
        "PIP_USER": "true",
        "PIP_CONSTRAINT": "a.txt b.txt",
        "PIP_BUILD_CONSTRAINT": "c.txt",
    }
    assert found.dropped == ("editable", "extra-index-url", "unheard-of")
    assert found.constraints == ["a.txt", "b.txt", "c.txt"]


def test_a_download_has_settings_of_its_own() -> None:
    listing = "global.user='true'\ndownload.only-binary=':all:'\ninstall.only-binary='x'\nglobal.target='x'\n"
    found = pip_settings.read(listing, "download")
    assert found.variables == {"PIP_ONLY_BINARY": ":all:"}
    assert found.dropped == ()


def test_no_settings_are_no_settings() -> None:
    assert pip_settings.read("", "install") == pip_settings.Settings()
