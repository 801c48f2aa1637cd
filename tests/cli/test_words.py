"""Times and sizes in words."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.cli import words

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (timedelta(hours=23, minutes=59), "in 23 hours"),
        (timedelta(days=-3), "3 days ago"),
        (timedelta(hours=47), "in 47 hours"),
        (timedelta(hours=48), "in 2 days"),
        (timedelta(minutes=119), "in 119 minutes"),
        (timedelta(minutes=1), "in 1 minute"),
        (timedelta(seconds=59), "in less than a minute"),
        (timedelta(0), "less than a minute ago"),
        (timedelta(days=-400), "400 days ago"),
    ],
)
def test_when(away: timedelta, said: str) -> None:
    assert words.when(NOW + away, NOW) == said


def test_expiry() -> None:
    assert words.expiry(NOW + timedelta(hours=5), NOW) == "expires in 5 hours"
    assert words.expiry(NOW, NOW) == "expired less than a minute ago"


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (34_210, "34.2 kB"),
        (5_000_000_000, "5.0 GB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_size(length: int, said: str) -> None:
    assert words.size(length) == said


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000)))
def test_a_span_is_never_said_longer_than_it_is(length: timedelta) -> None:
    number, _, unit = words.span(length).partition(" ")
    if number.isdigit():
        seconds = {"day": 86400, "hour": 3600, "minute": 60}[unit.rstrip("s")]
        assert timedelta(seconds=int(number) * seconds) <= length < timedelta(seconds=(int(number) + 1) * seconds)
    else:
        assert length < timedelta(minutes=1)


def test_now_is_in_utc_and_whole_seconds() -> None:
    assert words.now().utcoffset() == timedelta(0)
    assert words.now().microsecond == 0
