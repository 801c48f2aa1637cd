"""Names from metadata: safe in a URL and on disk, or refused (TRAPS D1, D2)."""

from __future__ import annotations

import hashlib
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import MalformedError
from secure_fetch.trust.names import RoleName, TargetPath, disk_name, file_name

BASE = "https://index.example/a%2Fb/metadata/"
HOSTILE = ["..", "/x", "a/../../b", "C:", "C:x", "?", "#", "a?b#c", "%2e%2e", "%2F", "x.", "x ", " x", "con", "NUL.txt"]
DEVICES = ("con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(10)))
UNSAFE = set('<>:"/\\|?*') | {chr(number) for number in range(32)}
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40) | st.sampled_from(HOSTILE)
DEVICE_LIKE = st.builds(
    lambda device, end: device + end,
    st.sampled_from([*DEVICES, *map(str.upper, DEVICES)]),
    st.sampled_from(["", ".", ".txt", " ", "x", "-1", "0", "$", "é", "/"]),
)


def safe_on_disk(name: str) -> bool:
    """Say whether a file name means itself on Linux, Windows and macOS."""
    stem = name.split(".", maxsplit=1)[0].rstrip(" ").lower()
    return (
        bool(name)
        and len(name.encode()) <= 255
        and not UNSAFE & set(name)
        and name not in (".", "..")
        and not name.endswith((".", " "))
        and stem not in DEVICES
    )


@given(NAMES | DEVICE_LIKE)
def test_d1_a_role_name_is_one_segment_of_a_url_and_one_file(text: str) -> None:
    name = RoleName(text)
    assert str(name) == text
    url = f"{BASE}1.{name.url}.json"
    parts = urlsplit(url)
    assert urljoin(BASE, url) == url
    assert (parts.query, parts.fragment) == ("", "")
    assert unquote(parts.path.rpartition("/")[2]) == f"1.{text}.json"
    assert parts.path.count("/") == urlsplit(BASE).path.count("/")
    assert safe_on_disk(name.disk)
    assert name.disk == disk_name(text)


@given(NAMES | DEVICE_LIKE, NAMES | DEVICE_LIKE)
def test_d1_two_names_never_fall_onto_one_file(one: str, other: str) -> None:
    assert (disk_name(one) == disk_name(other)) == (one == other)
    assert (disk_name(one).casefold() == disk_name(other).casefold()) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bin", "Bin"),
        ("a.", "a"),
        ("a ", "a"),
        ("é", "e\u0301"),
        ("%41", "A"),
        ("con", "%63on"),
        ("\u017f", "s"),
        ("x" * 121, "x" * 122),
        ("~" + hashlib.sha256(b"x" * 121).hexdigest(), "x" * 121),
    ],
)
def test_d1_names_that_look_alike_stay_apart(one: str, other: str) -> None:
    assert disk_name(one).casefold() != disk_name(other).casefold()


def test_short_file_names_are_spelled_and_long_ones_hashed() -> None:
    assert disk_name("bin-n_07") == "bin-n_07"
    assert disk_name("a.B/c") == "a%2e%42%2fc"
    assert disk_name("con") == "%63on"
    assert disk_name("console") == "console"
    assert disk_name("x" * 120) == "x" * 120
    assert disk_name("x" * 121) == "~" + hashlib.sha256(b"x" * 121).hexdigest()
    assert disk_name("") == "~" + hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    "text", ["", "x" * 513, "x" * 5_000, "a\x00", "a\n", "\x1b[2J", "a\x7f", "\x9b", "\ud800", 1, None]
)
def test_d1_what_cannot_be_a_role_name_is_refused(text: object) -> None:
    with pytest.raises(MalformedError):
        RoleName(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [*HOSTILE[:1], *HOSTILE[3:], "x" * 512])
def test_ghsa_wjw6_d1_a_hostile_role_name_leaves_neither_its_folder_nor_its_url(text: str) -> None:
    assert "/" not in RoleName(text).url
    assert safe_on_disk(RoleName(text).disk)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/x",
        "x/",
        "a//b",
        ".",
        "..",
        "a/../../b",
        "a/..",
        "./a",
        "a/./b",
        "a\\b",
        "a\x00",
        "a\r\nb",
        "\ud800",
        "x" * 2_049,
        1,
    ],
)
def test_cve_2026_24686_d1_a_path_that_could_leave_its_folder_is_refused(text: object) -> None:
    with pytest.raises(MalformedError):
        TargetPath(text)  # type: ignore[arg-type]


SEGMENTS = NAMES.filter(lambda text: not {"/", "\\"} & set(text) and text not in (".", ".."))


@given(st.lists(SEGMENTS, min_size=1, max_size=4), st.sampled_from([None, "0" * 64]))
def test_d2_a_target_path_keeps_its_segments_in_a_url(segments: list[str], digest: str | None) -> None:
    path = TargetPath("/".join(segments))
    url = BASE + path.url(digest)
    parts = urlsplit(url)
    assert urljoin(BASE, url) == url
    assert (parts.query, parts.fragment) == ("", "")
    wanted = [*segments[:-1], segments[-1] if digest is None else f"{digest}.{segments[-1]}"]
    assert [unquote(one) for one in parts.path.removeprefix(urlsplit(BASE).path).split("/")] == wanted
    assert str(path) == "/".join(segments)
    assert path.name == segments[-1]


def test_d2_the_hash_stands_before_the_last_segment_only() -> None:
    assert TargetPath("a b/c/d#e.whl").url("00") == "a%20b/c/00.d%23e.whl"
    assert TargetPath("d.whl").url("00") == "00.d.whl"
    assert TargetPath("a/d.whl").url() == "a/d.whl"


def test_a_long_path_is_a_path() -> None:
    assert len(TargetPath("x" * 2_048).disk) <= 255


@pytest.mark.parametrize(
    "name", ["Flask-3.0.0-py3-none-any.whl", "a_b+local.1!2.tar.gz", "_x", "console.txt", "x" * 200, "index.html"]
)
def test_ordinary_file_names_stay_as_they_are(name: str) -> None:
    assert file_name(name) == name
    assert TargetPath(f"a/{name}").disk == name


@given(SEGMENTS | DEVICE_LIKE)
def test_d1_a_file_name_means_itself_everywhere(name: str) -> None:
    assert safe_on_disk(file_name(name))
    assert not file_name(name).startswith(".")


@given(SEGMENTS | DEVICE_LIKE | st.text("abAB%~-.0", min_size=1), SEGMENTS | st.text("abAB%~-.0", min_size=1))
def test_d1_two_file_names_never_fall_onto_one(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


@pytest.mark.parametrize(
    "name", [".hidden", "-rf", "~x", "x~", "x.", "CON", "nul.whl", "a b", "a:b", "x" * 201, "é.whl"]
)
def test_d1_other_file_names_are_encoded(name: str) -> None:
    assert file_name(name) == disk_name(name)
