"""URLs in messages, in comparisons and on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.transport.addresses import origin, redact, request_target
from secure_fetch.transport.credentials import separate

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://index.example/simple/", "https://index.example/simple/"),
        ("https://user:s3cr3t@index.example/a@b", "https://b"),
        ("https://user:s3cr3t@index.example:8443/a", "https://index.example:8443/a"),
        ("https://s3cr3t@index.example/a", "https://index.example/a"),
        ("https://index.example/a@1.0", "https://index.example/a@1.0"),
        ("https://index.example/a?X-Signature=s3cr3t#x", "https://index.example/a?…"),
        ("https://index.example/a#s3cr3t", "https://index.example/a"),
        ("https://[::1]:8080/a", "https://[::1]:8080/a"),
        ("https://[::1]/a", "https://[::1]/a"),
        ("https://user:p@s3cr3t/x@index.example/", "https://index.example/"),
        ("https://user:s3cr3t#x@index.example/", "https://index.example/"),
        ("https://user:s3cr3t/x@index.example/", "https://index.example/"),
        ("user:s3cr3t@index.example/a", "index.example/a"),
        ("https://user:s3cr3t/a", "https://…/a"),
        ("file:///mirror/a b", "file:///mirror/a%20b"),
        ("https://index.example/\x1b[2J\u202e\n", "https://index.example/%1B[2J%E2%80%AE%0A"),
        ("https://index.example/\ud800", "https://index.example/%3F"),
        ("https://index.example/é", "https://index.example/é"),
        ("", ""),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_a_url_of_any_length_fits_into_a_message() -> None:
    assert len(redact("https://index.example/" + "a" * 100_000)) < 600


@given(
    user=st.text(st.characters(blacklist_characters="@/?#")),  # a name with a bare slash makes it another URL
    password=st.text(st.characters()),
    rest=st.sampled_from(["/", "/simple/a/", "/a?b", ":8443/", ""]),
)
def test_no_password_is_ever_shown(user: str, password: str, rest: str) -> None:
    shown = redact(f"https://{user}:{SECRET}{password}@index.example{rest}")
    assert SECRET not in shown
    assert shown.isprintable()


@given(st.text(st.characters()))
def test_any_text_can_be_shown(text: str) -> None:
    assert redact(text).isprintable()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://index.example/a", "https://INDEX.example:443/b?c", True),
        ("http://index.example", "http://index.example:80/", True),
        ("https://index.example/", "https://index.example:8443/", False),
        ("https://index.example/", "http://index.example/", False),
        ("http://index.example:443/", "https://index.example/", False),
        ("https://a.index.example/", "https://index.example/", False),
    ],
)
def test_origin(one: str, other: str, same: bool) -> None:
    assert (origin(one) == origin(other)) is same


@pytest.mark.parametrize("url", ["", "x", "https://", "https:///x", "https://a:b/", "https://a:99999/", "https://[a/"])
def test_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        origin(url)


@given(st.text(st.sampled_from("abc%2eEfF7~/.-_+=&$!'(),;:@*")))
def test_paths_are_sent_as_they_stand(path: str) -> None:
    assert request_target("https://index.example/" + path) == "/" + path


@given(st.text(st.characters(blacklist_categories=["Cs"])))
def test_what_is_sent_is_always_ascii_and_visible(path: str) -> None:
    target = request_target("https://index.example/" + path)
    assert target.startswith("/")
    assert target.isascii()
    assert target.isprintable()
    assert " " not in target
    assert "#" not in target


@given(user=st.text(), password=st.text())
def test_user_and_password_come_back(user: str, password: str) -> None:
    from urllib.parse import quote

    quoted = ":".join(quote(text, safe="", errors="replace") for text in (user, password))
    clean, login = separate(f"https://{quoted}@index.example/x?y#z")
    assert clean == "https://index.example/x?y"
    assert login is not None
    assert (quote(login.user, safe=""), quote(login.password or "", safe="")) == tuple(quoted.split(":"))
