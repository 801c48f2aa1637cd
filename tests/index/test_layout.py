"""Where pages and files lie, in each layout."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import ConfigurationError, MalformedError, UsageError
from secure_fetch.index.layout import LAYOUTS, index_root, layout
from secure_fetch.trust.names import TargetPath

ROOT = "https://index.example/root/"
SHA = {"sha256": "a" * 64}
DEEP = f"ab/cd/{'0' * 60}/foo-1.0.tar.gz"


def targets(name: str, project: str) -> list[tuple[str, str]]:
    return [(path.text, kind) for path, kind in layout(name).page_targets(project)]


def test_pages_are_targets() -> None:
    assert targets("pep458", "Foo_Bar") == [
        ("simple/foo-bar/index.json", "json"),
        ("simple/foo-bar/index.html", "html"),
    ]
    assert targets("warehouse", "Foo_Bar") == [("foo-bar", "html")]
    assert targets("flat", "Foo_Bar") == [("foo-bar/foo-bar.html", "html")]


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_illegal_projects_have_no_page(name: str) -> None:
    for illegal in ("../x", "a/b", ""):
        with pytest.raises(UsageError):
            layout(name).page_targets(illegal)
        with pytest.raises(UsageError):
            layout(name).page_url("https://index.example/simple/", illegal)


def test_installers_ask_for_a_folder() -> None:
    for index_url in ("https://index.example/simple", "https://index.example/simple/"):
        assert layout("pep458").page_url(index_url, "Foo.Bar") == "https://index.example/simple/foo-bar/"


@pytest.mark.parametrize(
    ("name", "url", "path"),
    [
        ("pep458", f"{ROOT}packages/{DEEP}", f"packages/{DEEP}"),
        ("pep458", f"HTTPS://u:p@INDEX.example:443//root/x/../packages/{DEEP}#sha256=0", f"packages/{DEEP}"),
        ("pep458", f"{ROOT}files/foo-1.0%2Blocal.tar.gz?x=1", "files/foo-1.0+local.tar.gz"),
        ("pep458", f"{ROOT}a%20b/%C3%A4.whl.metadata", "a b/ä.whl.metadata"),
        ("pep458", f"{ROOT}other/packages/{DEEP}", f"other/packages/{DEEP}"),
        ("pep458", f"https://files.example/packages/{DEEP}", f"packages/{DEEP}"),
        ("pep458", f"https://files.example/x/packages/{DEEP}.metadata", f"packages/{DEEP}.metadata"),
        ("flat", f"{ROOT}packages/{DEEP}", DEEP),
        ("flat", f"https://files.example/{DEEP}", DEEP),
        ("flat", f"{ROOT}x/foo-1.0.tar.gz", "x/foo-1.0.tar.gz"),
    ],
)
def test_files_are_targets(name: str, url: str, path: str) -> None:
    for root in (ROOT, ROOT.rstrip("/"), "https://INDEX.example:443/root/"):
        assert layout(name).file_target(url, index_root=root) == TargetPath(path)


def test_files_are_no_targets_where_the_page_vouches() -> None:
    assert layout("warehouse").file_target(f"{ROOT}packages/{DEEP}", index_root=ROOT) is None


@pytest.mark.parametrize("name", ["pep458", "flat"])
@pytest.mark.parametrize(
    "url",
    [
        ROOT,
        "https://index.example/rootx/foo-1.0.tar.gz",
        "https://index.example/foo-1.0.tar.gz",
        "https://evil.example/root/foo-1.0.tar.gz",
        "http://index.example/root/foo-1.0.tar.gz",
        f"{ROOT}../foo-1.0.tar.gz",
        f"{ROOT}%2e%2e/foo-1.0.tar.gz",
        f"{ROOT}a%2Fb",
        f"{ROOT}a%5Cb",
        f"{ROOT}%FF",
        f"{ROOT}folder/",
        f"{ROOT}a%00",
        f"https://files.example/packages/ab/cd/{'0' * 59}/foo",
        f"{ROOT}{'a' * 3000}",
    ],
)
def test_other_urls_lead_to_no_target(name: str, url: str) -> None:
    with pytest.raises(MalformedError):
        layout(name).file_target(url, index_root=ROOT)


@given(st.text(st.sampled_from("ab.%2eEfF5cC/\\?#:@ é"), max_size=15))
def test_a_url_leads_to_a_safe_path_or_nowhere(rest: str) -> None:
    for each in LAYOUTS.values():
        try:
            path = each.file_target(ROOT + rest, index_root=ROOT)
        except MalformedError:
            continue
        assert path is None or ".." not in path.text.split("/")


def urls(name: str, path: str, **changes: object) -> list[str]:
    options = {"hashed": None, "consistent": True, **changes}
    found = layout(name).target_urls(TargetPath(path), SHA, base="https://i.example/%7Ex", **options)  # type: ignore[arg-type]
    return [url.removeprefix("https://i.example/%7Ex/") for url in found]


H = "a" * 64


@pytest.mark.parametrize(
    ("name", "path", "consistent", "plain"),
    [
        ("pep458", "simple/foo/index.html", f"simple/foo/{H}.index.html", "simple/foo/index.html"),
        ("pep458", "simple/foo/index.json", f"simple/foo/{H}.index.json", "simple/foo/index.json"),
        ("pep458", "simple/index.html", f"simple/{H}.index.html", "simple/index.html"),
        ("warehouse", "foo", f"foo/{H}.foo.html", "foo/index.html"),
        ("flat", "foo/foo.html", f"foo/{H}.foo.html", "foo/foo.html"),
    ],
)
def test_pages_lie_under_their_hash(name: str, path: str, consistent: str, plain: str) -> None:
    for hashed in (True, False, None):
        assert urls(name, path, hashed=hashed) == [consistent]
        assert urls(name, path, hashed=hashed, consistent=False) == [plain]


@pytest.mark.parametrize("name", ["pep458", "flat"])
def test_files_lie_where_the_configuration_says(name: str) -> None:
    deep, shallow = f"packages/{DEEP}", "files/foo 1.whl"
    deep_named, shallow_named = deep.replace("foo", f"{H}.foo"), f"files/{H}.foo%201.whl"
    assert urls(name, deep) == [deep, deep_named]
    assert urls(name, shallow) == [shallow_named, "files/foo%201.whl"]
    assert urls(name, deep, consistent=False) == [deep]
    assert urls(name, shallow, consistent=False) == ["files/foo%201.whl"]
    for consistent in (True, False):
        assert urls(name, deep, hashed=True, consistent=consistent) == [deep_named]
        assert urls(name, shallow, hashed=False, consistent=consistent) == ["files/foo%201.whl"]


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (("md5", "sha512", "sha256"), "sha256"),
        (("blake2b-256", "sha384", "sha512"), "sha512"),
        (("blake2b-256", "sha384"), "sha384"),
        (("a", "blake2b-256"), "blake2b-256"),
        (("b", "a"), "a"),
    ],
)
def test_the_hash_in_a_name_does_not_depend_on_order(names: tuple[str, ...], first: str) -> None:
    hashes = {name: f"{number:02x}" for number, name in enumerate(names)}
    for order in (hashes, dict(reversed(hashes.items()))):
        found = layout("pep458").target_urls(
            TargetPath("x"), order, base="https://i.example/", hashed=True, consistent=True
        )
        assert found == (f"https://i.example/{hashes[first]}.x",)


def test_without_a_hash_there_is_only_the_plain_name() -> None:
    for path in ("simple/foo/index.html", "x"):
        found = layout("pep458").target_urls(
            TargetPath(path), {}, base="https://i.example", hashed=None, consistent=True
        )
        assert found == (f"https://i.example/{path}",)


def test_a_hash_that_is_none_never_reaches_a_url() -> None:
    with pytest.raises(MalformedError):
        layout("pep458").target_urls(
            TargetPath("x"), {"sha256": "../y"}, base="https://i.example", hashed=True, consistent=True
        )


def test_an_unknown_layout() -> None:
    with pytest.raises(ConfigurationError, match="flat, pep458, warehouse"):
        layout("flatter")


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://index.example/simple/", "https://index.example/"),
        ("https://index.example/%7Eme/simple", "https://index.example/%7Eme/"),
        ("file:///srv/mirror/simple/", "file:///srv/mirror/"),
    ],
)
def test_the_root_of_an_index(url: str, root: str) -> None:
    assert index_root(url) == root


@pytest.mark.parametrize(
    "url", ["https://index.example/", "https://index.example/simpler/", "/simple/", "https://index.example/?x/simple/"]
)
def test_no_root_without_simple(url: str) -> None:
    with pytest.raises(ConfigurationError, match="/simple/"):
        index_root(url)
