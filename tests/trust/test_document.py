"""Bytes into `document`: what is verified is what is read, and nothing but a document or a typed error comes out."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.formats import encode_canonical

from secure_fetch.errors import LimitError, MalformedError, VerificationError
from secure_fetch.trust import document
from tests.source_tree import ROOT, bare_environment

from .json_values import OBJECTS, VALUES, spelled

if TYPE_CHECKING:
    from collections.abc import Callable


def parse(text: str | bytes) -> document.Document:
    return document.parse(text if isinstance(text, bytes) else text.encode(), "it")


def refusal(text: str | bytes) -> str:
    with pytest.raises(MalformedError) as caught:
        parse(text)
    assert caught.value.what == "it"
    return caught.value.why


def test_a_document_is_the_signatures_the_signed_value_and_the_bytes_as_received() -> None:
    data = b' {"signatures": [{"keyid": "k", "sig": "00"}], "x": {}, "signed": {"b": 1, "a": "\\u00e9"}}\n'
    doc = parse(data)
    assert doc.signed == {"b": 1, "a": "é"}
    assert doc.signatures == {"k": "00"}
    assert doc.payload == '{"a":"é","b":1}'.encode()
    assert doc.data == data
    assert doc.digest == hashlib.sha256(data).hexdigest()
    assert doc.what == "it"


@given(st.binary(max_size=60))
def test_b09_any_bytes_are_a_document_or_a_verification_error(data: bytes) -> None:
    with suppress(VerificationError):
        assert isinstance(parse(data), document.Document)


@given(st.text(st.sampled_from('{}[]":,\\ signeatur0-1eE.u\ud800\x00\ufeff'), max_size=40))
def test_b09_anything_that_looks_like_json_is_a_document_or_a_verification_error(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    for read in (parse, lambda data: document.read_json(data, "it")):
        with suppress(VerificationError):
            read(data)


@given(spelled(), st.integers(0, 200), st.integers(0, 255))
def test_b09_one_byte_changed_is_a_document_or_a_verification_error(
    written: tuple[dict[str, Any], str], position: int, byte: int
) -> None:
    data = bytearray(f'{{"signed":{written[1]},"signatures":[]}}'.encode())
    data[position % len(data)] = byte
    with suppress(VerificationError):
        parse(bytes(data))


@given(VALUES)
def test_the_canonical_form_is_the_one_of_securesystemslib(value: Any) -> None:
    assert document.canonical(value) == (encode_canonical(value) or "").encode()


def test_the_canonical_form_escapes_only_quotes_and_backslashes() -> None:
    every = "".join(map(chr, range(0x300))) + '\\u0001\\\\n\\"'
    assert document.canonical(every).decode() == '"' + every.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(spelled())
def test_the_span_as_it_stands_and_encoding_again_agree(written: tuple[dict[str, Any], str]) -> None:
    value, text = written
    doc = parse(f'{{"signed":{text},"signatures":[]}}')
    assert doc.signed == value
    assert doc.payload == (encode_canonical(value) or "").encode()


@given(OBJECTS)
def test_what_was_written_canonically_is_verified_as_it_stands(value: dict[str, Any]) -> None:
    span = document.canonical(value)
    if any(byte < 0x20 for byte in span):
        return  # a control character stands for itself in canonical JSON, and is no JSON then
    assert parse(b'{"signatures":[],"signed":' + span + b"}").payload == span


def test_a_canonical_span_is_not_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(_: object) -> bytes:
        pytest.fail("it was encoded again")

    monkeypatch.setattr(document, "canonical", encode)
    assert parse('{"signed":{"a":{"b":-1,"c":[0,{}]},"é":"\x7f/"},"signatures":[]}').payload.startswith(b'{"a"')
    for span in ('{"a":-0}', '{"a":[-0]}', '{"a":[1,-0]}', '{"b":1,"a":1}', '{"a":"\\u0074"}', '{"a": 1}', '{"a":1\n}'):
        with pytest.raises(pytest.fail.Exception):
            parse(f'{{"signed":{span},"signatures":[]}}')


SIGNED = '"signed":{"a":1}'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f'{{{SIGNED},{SIGNED},"signatures":[]}}', "twice"),
        (f'{{{SIGNED},"\\u0073igned":{{"a":2}},"signatures":[]}}', "twice"),
        (f'{{{SIGNED},"signatures":[],"signatures":[]}}', "twice"),
        ('{"signed":{"a":{"b":1,"b":2}},"signatures":[]}', "twice"),
        ('{"signed":{"a":1,"\\u0061":1},"signatures":[]}', "twice"),
        (f'{{{SIGNED},"signatures":[],"x":[{{"a":1,"a":1}}]}}', "twice"),
        (f'{{{SIGNED},"signatures":[]}}{{}}', "after the end"),
        (f'{{{SIGNED},"signatures":[]}} x', "after the end"),
        (f'{{{SIGNED},"signatures":[]}}\x00', "after the end"),
        (f'\ufeff{{{SIGNED},"signatures":[]}}', "not a JSON object"),
        (f'{{{SIGNED},"signatures":[]}}'.encode("utf-16"), "not valid UTF-8"),
        (f'{{{SIGNED},"signatures":[]}}'.encode("utf-16-le"), "a key is missing"),
        (f'{{{SIGNED},"signatures":["\xff"]}}'.encode("latin-1"), "not valid UTF-8"),
        (b'{"signed":{"a":"\xed\xa0\x80"},"signatures":[]}', "not valid UTF-8"),
        (b'{"signed":{"a":"\xc0\xaf"},"signatures":[]}', "not valid UTF-8"),
        ('{"signed":{"a":"\\ud800"},"signatures":[]}', "lone surrogate"),
        ('{"signed":{"\\udfff":1},"signatures":[]}', "lone surrogate"),
        ('{"signed":{"a":1.0},"signatures":[]}', "not an integer"),
        ('{"signed":{"a":1e0},"signatures":[]}', "not an integer"),
        ('{"signed":{"a":-0.0},"signatures":[]}', "not an integer"),
        ('{"signed":{"a":NaN},"signatures":[]}', "not an integer"),
        ('{"signed":{"a":Infinity},"signatures":[]}', "not an integer"),
        ('{"signed":{"a":-Infinity},"signatures":[]}', "not an integer"),
        (f'{{{SIGNED},"signatures":[],"x":1.5}}', "not an integer"),
        ('{"signed":{"a":' + "9" * 20 + '},"signatures":[]}', "19 digits"),
        ('{"signed":{"a":-' + "9" * 20 + '},"signatures":[]}', "19 digits"),
        ('{"signed":{"a":' + "9" * 100_000 + '},"signatures":[]}', "19 digits"),
        ('{"signed":{"a":01},"signatures":[]}', "not JSON"),
        ('{"signed":{"a":+1},"signatures":[]}', "no JSON value"),
        ('{"signed":{"a":"\n"},"signatures":[]}', "not JSON"),
        ('{"signed":{"a":"\\x"},"signatures":[]}', "not JSON"),
        ('{"signed":{"a":1,},"signatures":[]}', "not JSON"),
        ('{"signed":{/**/},"signatures":[]}', "not JSON"),
        ('{"signed":{"a":1},"signatures":[],}', "a key is missing"),
        ('{,"signed":{"a":1},"signatures":[]}', "a key is missing"),
        ('{"signed":{"a":1} "signatures":[]}', "a comma is missing"),
        ('{"signed":{"a":1},"signatures":[]', "a comma is missing"),
        ('{"signed" {"a":1},"signatures":[]}', "a colon is missing"),
        ("{signed:{}}", "a key is missing"),
        ('{"signed', "not JSON"),
        ('{"signed":', "no JSON value"),
        ('{"signed":{"a":1},"signatures":[1', "not JSON"),
        ("", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "it needs"),
        (f"{{{SIGNED}}}", "it needs"),
        (f'{{{SIGNED},"signatures":{{}}}}', "it needs"),
        ('{"signatures":[]}', "it needs"),
        ('{"signed":[],"signatures":[]}', "it needs"),
        ('{"signed":null,"signatures":[]}', "it needs"),
        ('{"x":{"signed":{}},"signatures":[]}', "it needs"),
        ('{"x":"\\"signed\\":{}","signatures":[]}', "it needs"),
        ('{"Signed":{},"signatures":[]}', "it needs"),
    ],
)
def test_b08_b09_what_could_be_read_two_ways_is_refused(text: str | bytes, why: str) -> None:
    assert why in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"signatures":[],"x":{"signed":{"a":2}},"signed":{"a":1}}',
        '{"signatures":[],"x":"\\"signed\\":{\\"a\\":2}","signed":{"a":1}}',
        '{"signatures":[],"\\"signed":{"a":2},"signed":{"a":1}}',
        '{"signatures":[],"signed":{"a":1},"y":{"signed":{"a":2}}}',
        '{"\\u0073igned":{"a":1},"signatures":[]}',
        '\r\n\t {\n"signed" :\t{ "\\u0061" :1 } , "signatures" : [ ] }\n ',
    ],
)
def test_b08_only_the_outermost_signed_is_read_and_it_is_the_one_verified(text: str) -> None:
    doc = parse(text)
    assert doc.signed == {"a": 1}
    assert doc.payload == b'{"a":1}'


def test_the_order_of_keys_elsewhere_is_not_that_of_signed() -> None:
    first = '"x":{"b":1,"a":1},"signatures":[{"b":1,"a":1}]'
    assert parse(f'{{{first},"signed":{{"a":1,"b":1}}}}').payload == b'{"a":1,"b":1}'
    assert parse(f'{{{first},"signed":{{"b":1,"a":1}}}}').payload == b'{"a":1,"b":1}'
    assert parse('{"x":{"a":1},"signed":{"b":1,"a":1},"signatures":[]}').payload == b'{"a":1,"b":1}'


def test_an_envelope_of_many_members_is_read_by_one_scanner(monkeypatch: pytest.MonkeyPatch) -> None:
    # To make one for each takes half a minute for 16 MB that nobody has signed.
    made: list[object] = []
    real = document._Scanner.__init__

    def count(self: document._Scanner) -> None:
        made.append(self)
        real(self)

    monkeypatch.setattr(document._Scanner, "__init__", count)
    parse('{"signed":{},"signatures":[],' + ",".join(f'"{number}":0' for number in range(1_000)) + "}")
    assert len(made) == 1


def test_the_widest_integers_are_read() -> None:
    doc = parse('{"signed":{"a":' + "9" * 19 + ',"b":-' + "9" * 19 + '},"signatures":[]}')
    assert doc.signed == {"a": 10**19 - 1, "b": 1 - 10**19}


def test_read_json_reads_one_strict_value() -> None:
    assert document.read_json(b' [1, {"a": "\\n"}]\n', "it") == [1, {"a": "\n"}]


@pytest.mark.parametrize("data", [b"[1] 2", b"[1.0]", b'{"a":1,"a":1}', b"\xff", b"", b"\xef\xbb\xbf1", b"[" * 100_000])
def test_read_json_refuses_what_is_not(data: bytes) -> None:
    with pytest.raises(MalformedError):
        document.read_json(data, "it")


def nested(depth: int) -> list[bytes]:
    return [
        b"[" * depth,
        b'{"signed":' + b"[" * depth + b"]" * depth + b',"signatures":[]}',
        b'{"signed":' + b'{"a":' * depth + b"1" + b"}" * depth + b',"signatures":[]}',
        b'{"signatures":' + b"[" * depth + b"]" * depth + b',"signed":{}}',
        b'{"signed":{ "a":' + b"[" * depth + b"]" * depth + b'},"signatures":[]}',
    ]


def deep(levels: int, inner: str = "") -> str:
    return "[" * levels + inner + "]" * levels


@pytest.mark.parametrize("inner", ["", "1", '"]"', '"[[["', '"\\\\"', '"\\"["', '"]","["', '"",""'])
@pytest.mark.parametrize("beside", ["0", '"]"', '"[[[[["', '"\\"]]]"', '{"[":"]"}'])
def test_b09_nesting_is_counted_outside_of_strings(inner: str, beside: str) -> None:
    wide = ",".join(["[]"] * 50)  # so many brackets that they are counted at all
    most = document._MAX_DEPTH - 1  # and the list around
    for form in ("[{0},{1},{2}]", "[{2},{1},{0}]"):
        document.read_json(form.format(wide, beside, deep(most, inner)).encode(), "it")
        with pytest.raises(MalformedError, match="nested too deeply"):
            document.read_json(form.format(wide, beside, deep(most + 1, inner)).encode(), "it")


def test_b09_what_is_cut_off_is_not_called_nested() -> None:
    signed = ",".join(f'"{number}":[{{}}]' for number in range(100))
    assert "nested" not in refusal(f'{{"signatures":[],"signed":{{{signed}')
    assert "nested" not in refusal(f'{{"signatures":[],"signed":{{{signed}}}}}' + "]" * 100)


@given(OBJECTS, st.integers(0, 60))
def test_b09_any_nesting_below_the_limit_is_read(value: dict[str, Any], levels: int) -> None:
    text = deep(levels, document.canonical(value).decode())
    depth = levels + _depth(value)
    try:
        document.read_json(f"[{','.join(['[]'] * 40)},{json.dumps(json.loads(text, strict=False))}]".encode(), "it")
    except MalformedError:
        assert depth + 1 > document._MAX_DEPTH
    else:
        assert depth + 1 <= document._MAX_DEPTH


def _depth(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


@pytest.mark.parametrize("data", nested(100_000))
def test_b09_100000_nested_brackets_are_refused(data: bytes) -> None:
    refusal(data)


def in_thread(stack: int, run: Callable[[], object]) -> object:
    before = threading.stack_size(stack)
    try:
        results: list[object] = []
        thread = threading.Thread(target=lambda: results.append(run()))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    return results[0]


SMALL_STACK = """
from tests.trust.test_document import in_thread, nested, refusal
for depth in (100, 1_000, 5_000, 9_000, 100_000):
    for data in nested(depth):
        in_thread(256 * 1024, lambda: refusal(data))
"""


def test_b09_nesting_does_not_overflow_a_small_stack() -> None:
    # In a process of its own, because an overflow would end it.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SMALL_STACK],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=bare_environment() | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


def test_b01_a_key_id_that_signs_twice_rejects_the_file() -> None:
    entries = [{"keyid": "k", "sig": "00"}, {"keyid": "l", "sig": "00"}, {"keyid": "k", "sig": "11"}]
    assert "signs it twice" in refusal(json.dumps({"signed": {}, "signatures": entries}))


def test_b01_a_key_id_spelled_with_escapes_is_the_same_key_id() -> None:
    assert "twice" in refusal('{"signed":{},"signatures":[{"keyid":"k","sig":""},{"keyid":"\\u006b","sig":"00"}]}')


def test_b03_entries_that_are_no_signatures_do_not_stop_the_rest() -> None:
    entries: list[Any] = [1, None, [], {}, {"keyid": 1, "sig": "00"}, {"keyid": "a"}, {"keyid": "b", "sig": 1}]
    doc = parse(json.dumps({"signed": {}, "signatures": [*entries, {"keyid": "k", "sig": "00"}]}))
    assert doc.signatures == {"a": "", "b": "", "k": "00"}


def test_b04_a_thousand_signatures_are_read_and_one_more_is_not() -> None:
    entries = [{"keyid": str(number), "sig": "00"} for number in range(1_001)]
    assert len(parse(json.dumps({"signed": {}, "signatures": entries[:1_000]})).signatures) == 1_000
    with pytest.raises(LimitError) as caught:
        parse(json.dumps({"signed": {}, "signatures": entries}))
    assert (caught.value.limit, caught.value.unit) == (1_000, "signatures")


@pytest.mark.parametrize("data", nested(100_000)[1:])
def test_b09_the_interpreters_own_guard_holds_behind_the_count(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_check_depth", lambda _: None)
    assert refusal(data) == "it is nested too deeply"
    with pytest.raises(MalformedError, match="too deeply"):
        document.read_json(data, "it")
