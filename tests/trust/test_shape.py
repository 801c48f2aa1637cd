"""Fields of parsed JSON: the value in its right shape, or a MalformedError that names the field (TRAPS A19, B2)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from secure_fetch.errors import MalformedError
from secure_fetch.trust import shape

from .json_values import ANY_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable

COMMON = {"_type": "root", "spec_version": "1.0.34", "version": 3, "expires": "2030-01-31T12:34:56Z"}
READERS: dict[str, Callable[..., Any]] = {
    "mapping": shape.mapping,
    "array": shape.array,
    "string": shape.string,
    "boolean": shape.boolean,
    "unique_strings": shape.unique_strings,
    "moment": shape.moment,
}
KINDS: dict[str, type] = {"mapping": dict, "array": list, "string": str, "boolean": bool, "moment": datetime}


@pytest.mark.parametrize("reader", READERS)
@given(value=ANY_VALUES)
def test_b09_any_value_is_of_the_shape_or_malformed(reader: str, value: Any) -> None:
    with suppress(MalformedError):
        found = READERS[reader](value, "it", "the field")
        assert isinstance(found, KINDS.get(reader, tuple))
        if reader != "moment":
            assert found == (tuple(value) if reader == "unique_strings" else value)


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, [], 0, -1, 11, 2**70])
def test_a19_b02_what_is_not_an_integer_in_range_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        shape.integer(value, "it", "threshold", minimum=1, maximum=10)


def test_the_error_names_the_document_and_the_field() -> None:
    for reader in READERS.values():
        with pytest.raises(MalformedError) as caught:
            reader(1, "it", "the field")
        assert caught.value.what == "it"
        assert "`the field`" in caught.value.why


def test_a19_the_ends_of_a_range_belong_to_it() -> None:
    assert [shape.integer(value, "it", "x", minimum=1, maximum=10) for value in (1, 10)] == [1, 10]
    assert shape.integer(2**63 - 1, "it", "x", minimum=1) == 2**63 - 1
    with pytest.raises(MalformedError):
        shape.integer(2**63, "it", "x", minimum=1)


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_a_number_is_not_a_truth_value(value: object) -> None:
    with pytest.raises(MalformedError):
        shape.boolean(value, "it", "x")


def test_a20_one_string_twice_is_refused() -> None:
    assert shape.unique_strings(["a", "A"], "it", "keyids") == ("a", "A")
    with pytest.raises(MalformedError, match="twice"):
        shape.unique_strings(["a", "b", "a"], "it", "keyids")
    with pytest.raises(MalformedError, match="not a string"):
        shape.unique_strings(["a", 1], "it", "keyids")


def test_a19_a_time_is_read_as_utc() -> None:
    assert shape.moment("2030-01-31T12:34:56Z", "it", "expires") == datetime(
        2030, 1, 31, 12, 34, 56, tzinfo=timezone.utc
    )


@pytest.mark.parametrize(
    "value",
    [
        "２０３０-01-31T12:34:56Z",  # noqa: RUF001 - full-width digits
        "2030-01-31T12:34:5٦Z",
        "2030-01-31T12:34:56+00:00",
        "2030-01-31T12:34:56.000Z",
        "2030-01-31T12:34:56.5Z",
        "2030-01-31T12:34:56",
        "2030-01-31T12:34:56z",
        "2030-01-31 12:34:56Z",
        "2030-01-31t12:34:56Z",
        "2030-01-31T12:34:56Z\n",
        " 2030-01-31T12:34:56Z",
        "20300131T123456Z",
        "02030-01-31T12:34:56Z",
        "2030-1-31T12:34:56Z",
        "2030-02-30T12:34:56Z",
        "2030-13-01T12:34:56Z",
        "2030-01-31T24:00:00Z",
        "2030-01-31T12:34:60Z",
        "0000-01-01T00:00:00Z",
        "never",
        "",
        1893456000,
        None,
        True,
    ],
)
def test_a19_a_time_in_any_other_format_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        shape.moment(value, "it", "expires")


@pytest.mark.parametrize("spec_version", ["1.0", "1.0.0", "1.0.34", "1.1.0", "1.2.3.4"])
def test_a19_every_version_1_of_the_specification_is_read(spec_version: str) -> None:
    version, expires = shape.common(COMMON | {"spec_version": spec_version}, "it", "root")
    assert version == 3
    assert expires == datetime(2030, 1, 31, 12, 34, 56, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("_type", "Root"),
        ("_type", "timestamp"),
        ("_type", None),
        ("_type", ["root"]),
        *(
            ("spec_version", value)
            for value in ("2.0.0", "0.9", "10.0", "1", "1.", "1.x", "１.0", "1.0.0.0.0", "1.0\n", 1, None)  # noqa: RUF001
        ),
        *(("version", value) for value in (0, -1, True, "1", None, 2**63)),
        ("expires", None),
    ],
)
def test_a19_what_every_role_has_is_checked(field: str, value: object) -> None:
    with pytest.raises(MalformedError, match=field):
        shape.common(COMMON | {field: value}, "it", "root")
    with pytest.raises(MalformedError, match=field):
        shape.common({key: other for key, other in COMMON.items() if key != field}, "it", "root")


def test_a19_the_error_shows_the_type_that_was_found() -> None:
    with pytest.raises(MalformedError, match=f"'{'x' * 40}', not 'root'"):
        shape.common(COMMON | {"_type": "x" * 100}, "it", "root")


def test_b09_a_deeply_nested_type_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(MalformedError, match="_type"):
        shape.common(COMMON | {"_type": nested}, "it", "root")
    while nested:  # taken apart from outside, since an older interpreter's stack does not bear it
        nested = nested[0]
