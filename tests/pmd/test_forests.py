import pytest

from pmd.cli.train import DEFAULT_TREES
from pmd.forests import TREES, candidates, default_settings


@pytest.mark.parametrize(("rows", "leaf"), [(100, 2), (9000, 9), (10**6, 50)])
def test_the_default_leaf_is_a_thousandth_of_the_rows_within_bounds(rows: int, leaf: int) -> None:
    assert default_settings(rows).min_samples_leaf == leaf


def test_candidates_are_the_default_then_others_without_repetition() -> None:
    tried = candidates(9000, 40, seed=1)
    assert tried[0] == default_settings(9000)
    assert len(set(tried)) == len(tried) == 40
    assert candidates(9000, 1, seed=1) == tried[:1]


def test_the_seed_draws_the_candidates() -> None:
    assert candidates(9000, 10, 1) == candidates(9000, 10, 1)
    assert candidates(9000, 10, 1) != candidates(9000, 10, 2)


def test_a_budget_beyond_all_settings_tries_each_once() -> None:
    tried = candidates(9000, 10_000, seed=1)
    assert len(set(tried)) == len(tried) < 10_000


def test_every_candidate_has_as_many_trees_as_asked_for() -> None:
    assert {settings.n_estimators for settings in candidates(9000, 12, seed=1, trees=64)} == {64}
    assert default_settings(9000).n_estimators == TREES == DEFAULT_TREES


def test_settings_make_a_monotone_forest() -> None:
    settings = candidates(9000, 5, seed=1)[-1]
    parameters = settings.forest((1, 0, -1), seed=3).get_params()
    assert {name: parameters[name] for name in settings._asdict()} == settings._asdict()
    assert (parameters["monotonic_cst"], parameters["random_state"]) == ([1, 0, -1], 3)
