"""The plan of a repository: what cannot be built is refused before anything is made."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_fetch.errors import ConfigurationError, UsageError
from secure_fetch.signing.plan import Lifetimes, Plan
from secure_fetch.signing.repository import SigningRepository

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("bins", [-2, 0, 1, 3, 24, 2**17])
def test_bins_are_a_power_of_two(bins: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a number of bins"):
        SigningRepository.create(tmp_path / "repo", Plan(bins=bins))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("keys", "threshold"), [(0, 0), (1, 0), (1, 2), (3, 4), (65, 1), (-1, -1)])
def test_a_threshold_can_be_reached(keys: int, threshold: int) -> None:
    with pytest.raises(UsageError, match="root keys is not possible"):
        Plan(root_keys=keys, root_threshold=threshold)


@pytest.mark.parametrize("life", [timedelta(0), timedelta(seconds=59), timedelta(days=-1), timedelta(days=36500)])
@pytest.mark.parametrize("role", ["root", "targets", "bins", "online"])
def test_lifetimes_are_possible(life: timedelta, role: str) -> None:
    with pytest.raises(UsageError, match=f"lifetime of {role} metadata"):
        Lifetimes(**{role: life})


def test_index_urls_end_in_simple() -> None:
    assert Plan(index_urls=("https://index.example/simple/",)).index_urls
    with pytest.raises(ConfigurationError, match="/simple/"):
        Plan(index_urls=("https://index.example/",))


def test_the_defaults_are_those_of_pep_458() -> None:
    lives = Plan().lifetimes
    assert [lives.of(role).days for role in ("root", "targets", "bins")] == [365, 365, 365]
    assert [lives.of(role).days for role in ("timestamp", "snapshot", "bin-0")] == [1, 1, 1]


plans = st.builds(
    Plan,
    bins=st.integers(1, 16).map(lambda bits: 2**bits),
    succinct=st.booleans(),
    root_keys=st.integers(3, 9),
    root_threshold=st.integers(1, 3),
    lifetimes=st.builds(Lifetimes, online=st.integers(60, 10**7).map(lambda life: timedelta(seconds=life))),
    index_urls=st.sampled_from([(), ("https://index.example/simple/",)]),
)


@given(plan=plans)
def test_a_plan_reads_back_as_it_was_written(plan: Plan) -> None:
    assert Plan.from_json(plan.to_json(), "repository.json") == plan


@pytest.mark.parametrize(
    "values",
    [None, [], {}, {"lifetimes": 1}, {"lifetimes": {"root": "x"}, "index_urls": []}, {"lifetimes": {"online": 1e300}}],
)
def test_a_plan_of_the_wrong_shape_is_refused(values: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"repository\.json: the plan does not read"):
        Plan.from_json(values, "repository.json")


@pytest.mark.parametrize("field", ["bins", "root_keys", "succinct", "unheard_of"])
def test_a_plan_with_a_field_of_another_type_is_refused(field: str) -> None:
    with pytest.raises(ConfigurationError):
        Plan.from_json({**Plan().to_json(), field: "many"}, "repository.json")
