import numpy as np
import pytest

from pmd.drift_reference import BINS, distribution


def test_a_spread_column_is_told_by_its_deciles() -> None:
    found = distribution(np.random.default_rng(0).permutation(1000))
    assert found.edges == pytest.approx([99, 199, 299, 399, 499, 599, 699, 799, 899], abs=1)
    assert found.shares == pytest.approx([0.1] * BINS, abs=0.002)


@pytest.mark.parametrize("values", [[3.0] * 50, [0.0] * 45 + [1.0] * 5, [0.0, 1.0], [5.0]])
def test_equal_values_share_a_bin(values: list[float]) -> None:
    found = distribution(np.array(values))
    assert sorted(set(found.edges)) == found.edges
    assert len(found.shares) == len(found.edges) + 1
    assert sum(found.shares) == pytest.approx(1)
    counted = [np.mean(np.array(values) <= edge) for edge in found.edges]
    assert np.cumsum(found.shares)[:-1] == pytest.approx(counted)


def test_an_edge_belongs_to_the_bin_below_it() -> None:
    assert distribution(np.array([0.0] * 9 + [1.0])).shares == pytest.approx([0.9, 0.1])
