"""The trust configuration: what it means, and that every mistake in it is named with its key."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secure_fetch import Configuration, Limits, Repository, config
from secure_fetch.errors import ConfigurationError, NotFoundError, SecureFetchError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

INDEX = "https://index.example/simple/"
ROOT = b'{"signatures": []}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root.json").write_bytes(ROOT)
    return tmp_path


def read(folder: Path, *, environment: dict[str, str] | None = None, **entry: Any) -> Repository:
    """Read a configuration of one repository, `corp`, with these keys (`_` for `-`), and return it."""
    given = {"index_url": INDEX, "root": "root.json", **entry}
    table = {key.replace("_", "-"): value for key, value in given.items() if value is not None}
    value = {"repositories": {"corp": table}}
    (one,) = config.read(value, folder=folder, what="trust.toml", environment=environment or {}).repositories
    return one


# What it means


def test_a_toml_file_is_read(folder: Path) -> None:
    (folder / "trust.toml").write_text(
        f"""
        [repositories.corp]
        index-url = "{INDEX}"
        root = "root.json"
        layout = "flat"
        hash-prefix-targets = true
        projects = ["Corp_*", "other"]

        [repositories.corp.limits]
        file-length = 5
        read-timeout = 2

        [repositories.rest]
        metadata-url = ["https://one.example/metadata", "https://two.example/metadata/"]
        targets-url = "https://one.example"
        root = "root.json"
        """,
        "utf-8",
    )
    corp, rest = config.load(folder / "trust.toml").repositories
    assert corp == Repository(
        name="corp",
        root=ROOT,
        index_url=INDEX,
        layout="flat",
        hash_prefix_targets=True,
        projects=("Corp_*", "other"),
        limits=Limits(file_length=5, read_timeout=2),
    )
    assert corp.metadata_urls == ("https://index.example/metadata/",)
    assert corp.targets_urls == ("https://index.example/",)
    assert rest.metadata_urls == ("https://one.example/metadata/", "https://two.example/metadata/")
    assert rest.targets_urls == ("https://one.example/",)
    assert (rest.projects, rest.limits, rest.hash_prefix_targets) == (("*",), Limits(), None)


def test_a_json_file_is_read(folder: Path) -> None:
    value = {"repositories": {"corp": {"index-url": INDEX, "root": "root.json"}}}
    (folder / "trust.json").write_text(json.dumps(value), "utf-8")
    assert config.load(folder / "trust.json").named("corp").root == ROOT


def test_roots_lie_relative_to_the_file_or_anywhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "root.json"
    other.write_bytes(b"other")
    assert read(folder, root="./root.json").root == ROOT
    assert read(folder, root=str(other)).root == b"other"


def test_a_file_that_is_not_there_trusts_nothing(folder: Path) -> None:
    nothing = config.load(folder / "no" / "trust.toml")
    assert nothing == Configuration()
    with pytest.raises(ConfigurationError, match="No repository is trusted yet") as caught:
        nothing.repository_for("flask")
    assert "trust add" in caught.value.hint
    assert caught.value.exit_code == 2


def test_variables_are_put_into_urls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"TOKEN_1": "se%40cret", "HOST": "index.example"}
    url = "https://user:${TOKEN_1}@${HOST}/simple/"
    one = read(folder, environment=environment, index_url=url, metadata_url=["https://${HOST}/m/"])
    assert one.index_url == "https://user:se%40cret@index.example/simple/"
    assert one.metadata_urls == ("https://index.example/m/",)
    assert "cret" not in repr(one)
    (folder / "trust.toml").write_text(f'[repositories.corp]\nindex-url = "{url}"\nroot = "root.json"', "utf-8")
    monkeypatch.setenv("TOKEN_1", "one")
    monkeypatch.setenv("HOST", "two")
    assert config.load(folder / "trust.toml").named("corp").index_url == "https://user:one@two/simple/"


@pytest.mark.parametrize("url", ["https://$HOST/simple/", "https://${host}/simple/", "https://${HOST/simple/"])
def test_what_only_resembles_a_variable_is_not_one(url: str, folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="index-url"):
        read(folder, environment={"HOST": "x", "host": "y"}, index_url=url)


# Which repository may supply a project


def repository(name: str, *projects: str) -> Repository:
    return Repository(name=name, root=ROOT, index_url=INDEX, projects=projects or ("*",))


def test_the_first_repository_that_may_supply_a_project_is_the_only_one() -> None:
    both = Configuration(repositories=(repository("corp", "Corp_*", "tool"), repository("rest")))
    for project, name in (
        ("corp-x", "corp"),
        ("CORP.x", "corp"),
        ("corp__x", "corp"),
        ("Tool", "corp"),
        ("tools", "rest"),
        ("corp", "rest"),
    ):
        assert both.repository_for(project).name == name


def test_a_project_that_no_repository_may_supply_is_not_found() -> None:
    with pytest.raises(NotFoundError, match=r"flask is not in any repository that may supply it \(corp\)"):
        Configuration(repositories=(repository("corp", "corp-*"),)).repository_for("flask")


@given(st.text(), st.lists(st.text(max_size=20), max_size=4))
def test_any_name_and_any_pattern_give_an_answer(project: str, patterns: list[str]) -> None:
    one = repository("corp", *patterns, "x")
    assert one.may_supply(project) is one.may_supply(config.normalised(project))
    assert one.may_supply("X")


def test_a_repository_goes_by_its_name() -> None:
    both = Configuration(repositories=(repository("corp"), repository("rest")))
    assert both.named("rest").name == "rest"
    with pytest.raises(ConfigurationError, match="'copr'") as caught:
        both.named("copr")
    assert "Did you mean corp?" in caught.value.hint
    with pytest.raises(ConfigurationError) as caught:
        both.named("zzz")
    assert "Known: corp, rest." in caught.value.hint
    with pytest.raises(ConfigurationError) as caught:
        Configuration().named("corp")
    assert "trust add" in caught.value.hint


# Mistakes


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"root": None}, ["`root` is missing"]),
        ({"root": 5}, ["`root`", "str"]),
        ({"root": "nowhere.json"}, ["`root`", "nowhere.json", "no such file"]),
        ({"root": "."}, ["`root`", "is a directory"]),
        ({"root": ""}, ["`root`", "is a directory"]),
        ({"root": "a\0b"}, ["`root`", "no file can have this name"]),
        ({"root": "large"}, ["`root`", "1000000 bytes"]),
        ({"root": "empty"}, ["root"]),
        ({"rot": "root.json"}, ["unknown key `rot`", "Did you mean root?"]),
        ({"index_url": None}, ["`index-url`", "`metadata-url`"]),
        ({"index_url": None, "metadata_url": "https://x.example/"}, ["`index-url`", "`targets-url`"]),
        ({"index_url": 5}, ["`index-url`", "str"]),
        ({"index_url": ["https://x.example/simple/"]}, ["`index-url`", "str"]),
        ({"index_url": "https://x.example/"}, ["/simple/"]),
        ({"index_url": "ftp://x.example/simple/"}, ["`index-url`", "neither"]),
        ({"index_url": "x.example/simple/"}, ["`index-url`", "neither"]),
        ({"index_url": "https:///simple/"}, ["`index-url`", "well-formed"]),
        ({"index_url": "https://[x/simple/"}, ["`index-url`", "well-formed"]),
        ({"index_url": "https://[:::]/simple/"}, ["`index-url`", "well-formed"]),
        ({"index_url": "https://x.example:99999/simple/"}, ["`index-url`", "well-formed"]),
        ({"index_url": "https://x.example/a b/simple/"}, ["`index-url`", "well-formed", "%20"]),
        ({"index_url": "https://x.example/\n/simple/"}, ["`index-url`", "well-formed"]),
        ({"index_url": "https://${NO_SUCH}/simple/"}, ["`index-url`", "NO_SUCH"]),
        ({"metadata_url": "https://x.example/?token=1"}, ["`metadata-url`", "query"]),
        ({"metadata_url": "https://x.example/#part"}, ["`metadata-url`", "well-formed"]),
        ({"metadata_url": ["https://x.example/", "x"]}, ["`metadata-url`", "neither"]),
        ({"metadata_url": ["https://x.example/", 5]}, ["`metadata-url`"]),
        ({"metadata_url": ["https://${NO_SUCH}/"]}, ["`metadata-url`", "NO_SUCH"]),
        ({"targets_url": {}}, ["`targets-url`"]),
        ({"targets_url": "javascript:alert(1)"}, ["`targets-url`", "neither"]),
        ({"layout": "other"}, ["layout 'other'", "pep458"]),
        ({"layout": True}, ["`layout`", "str"]),
        ({"hash_prefix_targets": "yes"}, ["`hash-prefix-targets`", "bool"]),
        ({"hash_prefix_targets": 1}, ["`hash-prefix-targets`", "bool"]),
        ({"projects": "flask"}, ["`projects`", "list"]),
        ({"projects": ["flask", 5]}, ["`projects`", "list"]),
        ({"limits": []}, ["`limits`", "dict"]),
        ({"limits": {"file-lenght": 5}}, ["unknown key `file-lenght`", "Did you mean file-length?"]),
        ({"limits": {"file-length": 5.5}}, ["`file-length`", "whole number"]),
        ({"limits": {"file-length": True}}, ["`file-length`", "whole number"]),
        ({"limits": {"file-length": "5"}}, ["`file-length`", "whole number"]),
        ({"limits": {"file-length": -1}}, ["`file-length`", "from 0"]),
        ({"limits": {"file-length": 2**63}}, ["`file-length`", "to 9223372036854775807"]),
        ({"limits": {"read-timeout": "5"}}, ["`read-timeout`", "number"]),
        ({"limits": {"read-timeout": 0}}, ["`read-timeout`", "from 0.001"]),
        ({"limits": {"read-timeout": math.nan}}, ["`read-timeout`", "from"]),
        ({"limits": {"read-timeout": math.inf}}, ["`read-timeout`", "from"]),
        ({"limits": {"read-timeout": 10**400}}, ["`read-timeout`", "from"]),
    ],
)
def test_a_mistake_is_named_with_its_key(entry: dict[str, Any], says: list[str], folder: Path) -> None:
    (folder / "large").write_bytes(b"x" * 1_000_001)
    (folder / "empty").write_bytes(b"")
    with pytest.raises(ConfigurationError) as caught:
        read(folder, **entry)
    message = str(caught.value)
    assert message.startswith("trust.toml"), message
    assert "repository corp" in message.lower(), message
    for part in says:
        assert part in message
    assert caught.value.exit_code == 2


def test_a_mistake_in_a_url_does_not_show_its_password(folder: Path) -> None:
    for url in (
        "ftp://user:hunter2@x.example/",
        "https://user:hunter2@x example/",
        "https://user:hunter2@x.example:x/",
    ):
        with pytest.raises(ConfigurationError) as caught:
            read(folder, metadata_url=url)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None or "hunter2" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"repository": {}}, "unknown key `repository`"),
        ({"repositories": []}, "`repositories` is not a table"),
        ({"repositories": {"corp": "x"}}, "repository corp: it is not a table"),
        ({"repositories": {"../x": {"root": "root.json", "index-url": INDEX}}}, "'../x' is not a name"),
    ],
)
def test_a_mistake_around_repositories_is_named(value: dict[str, Any], says: str, folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=says):
        config.read(value, folder=folder, what="trust.toml", environment={})


def test_an_index_may_be_at_any_address(folder: Path) -> None:
    for host in ("127.0.0.1:8080", "[::1]:8080", "[fe80::1]", "user:pass%40word@index.example", "index.example."):
        assert read(folder, index_url=f"https://{host}/simple/").metadata_urls == (f"https://{host}/metadata/",)
    assert read(folder, index_url="file:///srv/mirror/simple").targets_urls == ("file:///srv/mirror/",)


def test_limits_at_their_ends_are_taken(folder: Path) -> None:
    limits = read(folder, limits={"file-length": 0, "retries": 0, "rate-grace": 0, "read-timeout": 0.5}).limits
    assert (limits.file_length, limits.retries, limits.rate_grace, limits.read_timeout) == (0, 0, 0, 0.5)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("trust.toml", b"a = 1\n[repositories.corp\n", "line 2"),
        ("trust.toml", b"\xff", "utf-8"),
        ("trust.toml", b"a = 1\na = 2\n", "line 2"),
        ("trust.toml", b"[repositories.corp]\n[repositories.corp]", "line 2"),
        ("trust.json", b"{", "line 1"),
        ("trust.json", b"[]", "not a table"),
        ("trust.json", b"[" * 100_000, "cannot be read"),
        ("trust.json", b'{"repositories": {"corp": {}, "corp": {}}}', "'corp' is there twice"),
        ("trust.json", b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    ],
)
def test_a_file_that_is_not_one_is_refused_with_its_place(name: str, data: bytes, says: str, folder: Path) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(ConfigurationError, match=says) as caught:
        config.load(folder / name)
    assert str(folder / name) in str(caught.value)


def test_a_file_that_cannot_be_read_is_not_taken_for_none(folder: Path) -> None:
    """Silence would drop what the file says about who may supply what."""
    (folder / "trust.toml").mkdir()
    with pytest.raises(ConfigurationError, match=r"trust\.toml cannot be read: is a directory"):
        config.load(folder / "trust.toml")
    with pytest.raises(ConfigurationError, match="not a directory"):
        config.load(folder / "root.json" / "trust.toml")
    (folder / "large.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigurationError, match="more than 1000000 bytes"):
        config.load(folder / "large.toml")


def test_a_repository_without_the_bytes_of_a_root_is_refused() -> None:
    for root in (b"", "text"):
        with pytest.raises(ConfigurationError, match="no root"):
            Repository(name="corp", root=root, index_url=INDEX)  # type: ignore[arg-type]


# Anything at all


@given(st.binary(max_size=200), st.sampled_from(["trust.toml", "trust.json"]))
@example(b'{"a": 1e400}', "trust.json")
@example(b"a = 1979-05-27T07:32:00Z", "trust.toml")
@example(b"a = " + b"[" * 5000, "trust.toml")
def test_any_bytes_are_a_table_or_an_error(data: bytes, name: str) -> None:
    try:
        table = config.parse(data, Path(name))
    except ConfigurationError:
        return
    assert isinstance(table, dict)


TEXT = st.one_of(st.text(max_size=20), st.sampled_from(["root.json", INDEX, "${X}", "https://", "pep458", "*", "."]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
LIMITS = st.dictionaries(st.sampled_from([*config._LIMITS, "x"]), st.one_of(VALUES, st.integers(0, 9)), max_size=3)
GOOD = {"root": st.just("root.json"), "index-url": st.just(INDEX)}
ENTRIES = st.fixed_dictionaries(
    {}, optional={key: st.one_of(VALUES, GOOD.get(key, VALUES), LIMITS) for key in [*config._KEYS, "x"]}
)
TABLES = st.dictionaries(st.one_of(TEXT, st.just("corp")), st.one_of(ENTRIES, VALUES), max_size=2)


@given(st.one_of(VALUES.filter(lambda value: isinstance(value, dict)), st.fixed_dictionaries({"repositories": TABLES})))
def test_any_table_is_a_configuration_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    (folder / "root.json").write_bytes(ROOT)
    try:
        made = config.read(value, folder=folder, what="trust.toml", environment={"X": "\ud800 x"})
    except ConfigurationError:
        return
    except SecureFetchError as error:  # pragma: no cover - another kind would be a mistake
        pytest.fail(repr(error))
    for one in made.repositories:
        assert one.root == ROOT
        assert all(url.endswith("/") for url in (*one.metadata_urls, *one.targets_urls, one.files_url))


def test_what_is_written_is_what_tomllib_reads(folder: Path) -> None:
    text = '[repositories.corp]\nroot = "root.json"\nindex-url = "https://index.example/simple/"\n'
    assert config.parse(text.encode(), Path("trust.toml")) == tomllib.loads(text)
