"""Thresholds, key kinds and key spellings (TRAPS B1 to B4, B7, and the faults of section F)."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import SSlibKey

from secure_fetch.errors import MalformedError, SignatureError
from secure_fetch.trust.signatures import Key, read_keys, verify
from tests.source_tree import ROOT, bare_environment

from .json_values import ANY_VALUES
from .signing_keys import (
    RSA_SCHEMES,
    Signing,
    compressed,
    document_signed,
    ecdsa_key,
    ecdsa_signing,
    ed25519_key,
    ed25519_signing,
    mldsa_signing,
    pem,
    pkcs1,
    rewrapped,
    rsa_key,
    rsa_signing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ED25519 = ed25519_signing(0)
OTHER = ed25519_signing(1)


def check(
    keys: list[Key], signatures: dict[str, str], *, threshold: int = 1, keyids: list[str] | None = None
) -> tuple[str, ...]:
    return verify(
        document_signed(signatures),
        role="it",
        keyids=[key.keyid for key in keys] if keyids is None else keyids,
        threshold=threshold,
        keys={key.keyid: key for key in keys},
        signed_for="root version 1",
    )


def refused(
    keys: list[Key], signatures: dict[str, str], *, threshold: int = 1, keyids: list[str] | None = None
) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        check(keys, signatures, threshold=threshold, keyids=keyids)
    return caught.value


ECDSA_SCHEMES = [f"ecdsa-sha2-nistp{bits}" for bits in (256, 384, 521)]
KINDS: dict[str, Callable[[], Signing | None]] = {
    "ed25519": ed25519_signing,
    **{scheme: partial(ecdsa_signing, scheme) for scheme in ECDSA_SCHEMES},
    **{f"{scheme} as its own key type": partial(ecdsa_signing, scheme, scheme) for scheme in ECDSA_SCHEMES},
    **{scheme: partial(rsa_signing, scheme) for scheme in RSA_SCHEMES},
    **{f"ml-dsa-{kind}": partial(mldsa_signing, kind) for kind in ("44", "65", "87")},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_key_is_verified(kind: str) -> None:
    signing = KINDS[kind]()
    if signing is None:
        pytest.skip("the installed cryptography has no ML-DSA")
    assert check([signing.key("k")], {"k": signing.signature}) == ("k",)
    altered = signing.signature[:-2] + f"{int(signing.signature[-2:], 16) ^ 1:02x}"
    error = refused([signing.key("k")], {"k": altered})
    assert (error.valid, error.threshold, error.unverifiable) == (0, 1, ())


def test_the_message_says_what_is_missing() -> None:
    error = refused([ED25519.key("a"), OTHER.key("b")], {"a": ED25519.signature}, threshold=2)
    assert (error.role, error.valid, error.threshold, error.signed_for) == ("it", 1, 2, "root version 1")
    assert "1 valid signature(s) by the keys that root version 1 names, 2 needed" in str(error)


def test_b01_two_keys_meet_a_threshold_of_two() -> None:
    signatures = {"a": ED25519.signature, "b": OTHER.signature, "c": "00"}
    assert check([ED25519.key("a"), OTHER.key("b")], signatures, threshold=2) == ("a", "b")
    assert refused([ED25519.key("a"), OTHER.key("b")], signatures, threshold=3).valid == 2


def test_only_the_keys_that_were_counted_are_named() -> None:
    keys = [OTHER.key("b"), ED25519.key("a")]
    assert check(keys, {"a": ED25519.signature, "b": ED25519.signature}) == ("a",)


def test_ghsa_3633_b01_one_public_key_under_two_ids_counts_once() -> None:
    keys = [ED25519.key("a"), ED25519.key("b"), ED25519.key("c")]
    assert refused(keys, dict.fromkeys("abc", ED25519.signature), threshold=2).valid == 1


ED25519_PEM = pem(ed25519_key().public_key())
ECDSA = ecdsa_signing("ecdsa-sha2-nistp256")
PSS, PKCS1V15 = rsa_signing("rsassa-pss-sha256"), rsa_signing("rsa-pkcs1v15-sha256")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ED25519.key("a"), ED25519.key("b", ED25519.public.upper())),
        (ED25519.key("a"), ED25519.key("b", " ".join([ED25519.public[:8], ED25519.public[8:]]))),
        (ECDSA.key("a"), ECDSA.key("b", ECDSA.public.replace("\n", "\r\n"))),
        (ECDSA.key("a"), ECDSA.key("b", rewrapped(ECDSA.public, 20))),
        (ECDSA.key("a"), ECDSA.key("b", f"a comment\n{ECDSA.public}\n")),
        (ECDSA.key("a"), ECDSA.key("b", compressed(ecdsa_key().public_key()))),
        (ECDSA.key("a"), ECDSA.key("b", keytype=ECDSA.scheme)),
        (PSS.key("a"), PSS.key("b", rewrapped(PSS.public, 76, "\r\n"))),
        (PSS.key("a"), PSS.key("b", pkcs1(rsa_key().public_key()))),
    ],
)
def test_b07_another_spelling_of_one_key_counts_once(one: Key, other: Key) -> None:
    signature = {"ed25519": ED25519, "ecdsa": ECDSA, "rsa": PSS}[one.keytype].signature
    assert check([one], {"a": signature}) == ("a",)
    assert check([other], {"b": signature}) == ("b",)
    assert one.identity == other.identity
    assert refused([one, other], {"a": signature, "b": signature}, threshold=2).valid == 1


def test_b07_one_rsa_key_under_two_schemes_counts_once() -> None:
    keys = [PSS.key("a"), PKCS1V15.key("b")]
    signatures = {"a": PSS.signature, "b": PKCS1V15.signature}
    assert check(keys, signatures) == ("a",)
    assert refused(keys, signatures, threshold=2).valid == 1


@pytest.mark.parametrize("keytype", ["ed25519", "ecdsa"])
def test_b07_ed25519_in_hexadecimal_and_in_pem_is_one_key(keytype: str) -> None:
    assert ED25519.key("a").identity == ED25519.key("b", ED25519_PEM, keytype=keytype).identity
    assert OTHER.key("a").identity != ED25519.key("b", ED25519_PEM, keytype=keytype).identity


@pytest.mark.parametrize(
    "public",
    [
        "",
        "zz",
        "no key",
        "-----BEGIN PUBLIC KEY-----\n!!!\n-----END PUBLIC KEY-----",
        "-----BEGIN X-----\n-----END X-----",
    ],
)
@pytest.mark.parametrize("keytype", ["ed25519", "rsa"])
def test_b03_what_is_no_key_verifies_nothing_and_is_no_other_key(public: str, keytype: str) -> None:
    broken = Key(keyid="a", keytype=keytype, scheme={"rsa": "rsassa-pss-sha256"}.get(keytype, keytype), public=public)
    assert broken.identity != ED25519.key("b").identity
    assert broken.identity == broken.identity
    assert refused([broken], {"a": ED25519.signature}).valid == 0
    assert check([broken, ED25519.key("b")], {"a": ED25519.signature, "b": ED25519.signature}) == ("b",)


def test_b03_a_signature_of_the_wrong_form_does_not_count_and_does_not_stop_the_rest() -> None:
    wrong = ["", "0", "zz", "00", ED25519.signature[:-2], ED25519.signature + "00", "é" * 128, OTHER.signature]
    for signature in wrong:
        error = refused([ED25519.key("a")], {"a": signature})
        assert (error.valid, error.unverifiable) == (0, ())
        assert check([ED25519.key("a"), OTHER.key("b")], {"a": signature, "b": OTHER.signature}) == ("b",)


@pytest.mark.parametrize(
    ("keytype", "scheme"),
    [
        ("ed25519", "rsassa-pss-sha256"),
        ("rsa", "ed25519"),
        ("unknown", "unknown"),
        ("rsa", "pgp+rsa-pkcsv1.5"),
        ("", ""),
    ],
)
def test_b03_an_unknown_kind_of_key_does_not_count_and_is_named(keytype: str, scheme: str) -> None:
    unknown = ED25519.key("a", keytype=keytype, scheme=scheme)
    error = refused([unknown, ED25519.key("b")], {"a": ED25519.signature, "b": ED25519.signature}, threshold=2)
    assert (error.valid, error.unverifiable) == (1, (f"{keytype}/{scheme}",))
    assert check([unknown, ED25519.key("b")], {"a": ED25519.signature, "b": ED25519.signature}) == ("b",)


def test_b03_a_key_without_material_does_not_count() -> None:
    bare = Key(keyid="a", keytype="ed25519", scheme="ed25519", public=None)
    assert refused([bare], {"a": ED25519.signature}).unverifiable == ("ed25519/ed25519",)
    assert bare.identity != Key(keyid="b", keytype="ed25519", scheme="ed25519", public=None).identity


def test_b03_keys_that_cannot_be_read_are_told_apart() -> None:
    broken = ["", "x", "y", *(f"-----BEGIN X-----\n{body}\n-----END X-----" for body in ("AAAA", "BBBB", "!", "?"))]
    for keytype in ("rsa", "ed25519"):
        keys = [Key(keyid="k", keytype=keytype, scheme="x", public=public) for public in broken]
        assert len({key.identity for key in keys}) == len(broken)


def test_b03_whatever_a_foreign_parser_raises_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(SSlibKey, "verify_signature", fail)
    error = refused([ED25519.key("a")], {"a": ED25519.signature})
    assert (error.valid, error.unverifiable) == (0, ())


def test_b03_a_key_of_the_wrong_curve_does_not_count() -> None:
    signing = ecdsa_signing("ecdsa-sha2-nistp384")
    assert refused([signing.key("a", scheme="ecdsa-sha2-nistp256")], {"a": signing.signature}).valid == 0


def test_b04_only_the_roles_own_keys_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    real = SSlibKey.verify_signature

    def counting(self: SSlibKey, signature: Any, data: bytes) -> None:
        tried.append(self.keyid)
        real(self, signature, data)

    monkeypatch.setattr(SSlibKey, "verify_signature", counting)
    keys = [ED25519.key("a"), OTHER.key("foreign"), OTHER.key("unsigned")]
    signatures = {"foreign": OTHER.signature, "unknown": ED25519.signature, "a": ED25519.signature}
    assert check(keys, signatures, keyids=["a"]) == ("a",)
    assert refused(keys, signatures, keyids=["unsigned"]).valid == 0
    assert refused(keys, signatures, keyids=["unknown"]).valid == 0
    assert refused(keys, signatures, keyids=[]).valid == 0
    assert tried == ["a"]


def test_a_signature_of_other_bytes_does_not_count() -> None:
    document = document_signed({"a": ED25519.signature})
    altered = type(document)(
        what="it", signed={}, signatures=document.signatures, payload=document.payload + b" ", data=b""
    )
    with pytest.raises(SignatureError):
        verify(altered, role="it", keyids=["a"], threshold=1, keys={"a": ED25519.key("a")}, signed_for="x")


def test_a_key_id_need_not_be_the_hash_of_its_key() -> None:
    entry = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": ED25519.public}, "x-more": 1}
    assert read_keys({"any": entry}, "it") == {"any": ED25519.key("any")}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"k": None},
        {"k": {}},
        {"k": {"keytype": "a", "scheme": "b", "keyval": []}},
        {"k": {"keytype": "a", "scheme": "b", "keyval": {"public": 1}}},
        {"k": {"keytype": 1, "scheme": "b", "keyval": {}}},
        {"k": {"keytype": "a", "keyval": {}}},
    ],
)
def test_b09_keys_of_the_wrong_shape_are_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        read_keys(value, "it")


KEY_TYPES = st.sampled_from(["ed25519", "rsa", "ecdsa", "ecdsa-sha2-nistp256", "mldsa", "x"])
SCHEMES = st.sampled_from(["ed25519", "rsassa-pss-sha256", "ecdsa-sha2-nistp256", "ml-dsa-44/1", "x"])
MATERIAL = st.text(max_size=80) | st.sampled_from([ED25519.public, ED25519_PEM, ECDSA.public, PSS.public])


@given(
    KEY_TYPES,
    SCHEMES,
    MATERIAL | st.none(),
    st.text(max_size=20) | st.sampled_from([ED25519.signature, ECDSA.signature]),
)
def test_b03_any_key_and_signature_count_or_do_not(
    keytype: str, scheme: str, public: str | None, signature: str
) -> None:
    key = Key(keyid="k", keytype=keytype, scheme=scheme, public=public)
    hash(key.identity)
    with suppress(SignatureError):
        assert check([key], {"k": signature}) == ("k",)
        assert signature in (ED25519.signature, ECDSA.signature)


@given(ANY_VALUES)
def test_b09_any_keys_are_read_or_malformed(value: Any) -> None:
    with suppress(MalformedError):
        read_keys({"k": value}, "it")


WITHOUT_CRYPTOGRAPHY = """
import json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("cryptography", "nacl"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
from secure_fetch.errors import SignatureError
from secure_fetch.trust.document import Document, canonical
from secure_fetch.trust.signatures import Key, verify

given = json.load(sys.stdin)
keys = {fields["keyid"]: Key(**fields) for fields in given["keys"]}
payload = canonical(given["signed"])
results = []
for keyids, threshold, altered in given["checks"]:
    document = Document(
        what="it", signed={}, signatures=given["signatures"], payload=payload + b"x" * altered, data=b""
    )
    try:
        results.append(verify(document, role="it", keyids=keyids, threshold=threshold, keys=keys, signed_for="x"))
    except SignatureError as error:
        results.append([error.valid, error.unverifiable, error.hint])
results.append([keys["pem"].identity == keys[other].identity for other in ("rewrapped", "ecdsa")])
results.append(keys["hex"].identity == keys["spki"].identity)
json.dump(results, sys.stdout)
"""


def test_without_cryptography_ed25519_is_verified_and_other_keys_say_what_would_help() -> None:
    keys = [
        ED25519.key("hex"),
        ED25519.key("upper", ED25519.public.upper()),
        OTHER.key("other"),
        PSS.key("pem"),
        PSS.key("rewrapped", rewrapped(PSS.public, 76, "\r\n")),
        ECDSA.key("ecdsa", keytype=ECDSA.scheme),
        ED25519.key("spki", ED25519_PEM),
    ]
    given = {
        "keys": [{"keyid": k.keyid, "keytype": k.keytype, "scheme": k.scheme, "public": k.public} for k in keys],
        "signed": {"a": "what was signed"},
        "signatures": {
            **{key.keyid: ED25519.signature for key in keys[:2]},
            "other": OTHER.signature,
            "pem": PSS.signature,
            "ecdsa": ECDSA.signature,
        },
        "checks": [
            (["hex"], 1, 0),
            (["hex", "upper", "other"], 2, 0),
            (["hex", "upper"], 2, 0),
            (["hex"], 1, 1),
            (["pem", "ecdsa"], 1, 0),
        ],
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_CRYPTOGRAPHY],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=bare_environment() | {"PYTHONPATH": str(ROOT)},
        input=json.dumps(given),
    )
    assert done.returncode == 0, done.stderr
    one, two, spelled_twice, altered, foreign, same, spki = json.loads(done.stdout)
    assert one == ["hex"]
    assert two == ["hex", "other"]
    assert spelled_twice[0] == 1
    assert altered[:2] == [0, []]
    assert foreign[0] == 0
    assert foreign[1] == ["rsa/rsassa-pss-sha256", "ecdsa-sha2-nistp256/ecdsa-sha2-nistp256"]
    assert "`cryptography`" in foreign[2]
    assert same == [True, False]
    assert spki is True
