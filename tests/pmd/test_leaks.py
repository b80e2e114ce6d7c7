import numpy as np
import pytest

from pmd.errors import LeakingColumns
from pmd.leaks import refuse_declared_leaks, refuse_leaks

RNG = np.random.default_rng(0)
LABELS = np.repeat([1, 0], [300, 2700])


def refuse(column: np.ndarray, name: str = "x") -> None:
    refuse_leaks(
        np.column_stack([column, RNG.random(3000)]).astype(np.float32), LABELS, [name, "ok"]
    )


def test_a_flag_that_only_failures_carry_is_refused_by_name() -> None:
    flag = np.zeros(3000)
    flag[:40] = 1
    with pytest.raises(LeakingColumns, match=r"« TWF » \(1 va toujours avec 1, 40 lignes\)"):
        refuse(flag, "TWF")


def test_all_leaking_columns_are_named_at_once() -> None:
    flag = (LABELS == 1).astype(np.float32)
    with pytest.raises(LeakingColumns, match=r"« a ».*« b »"):
        refuse_leaks(np.column_stack([flag, 1 - flag]), LABELS, ["a", "b"])


def test_a_value_that_only_healthy_rows_carry_is_refused() -> None:
    code = RNG.integers(1, 5, 3000)
    code[500:1500] = 0
    with pytest.raises(LeakingColumns, match="0 va toujours avec 0, 1\u202f000 lignes"):
        refuse(code)


def test_a_number_filled_in_after_the_failure_is_refused() -> None:
    repair_cost = np.where(LABELS == 1, RNG.uniform(1, 9, 3000), 0.0)
    with pytest.raises(LeakingColumns, match="0 va toujours avec 0"):
        refuse(repair_cost)


def test_a_flag_with_few_rows_behind_it_is_let_through() -> None:
    flag = np.zeros(3000)
    flag[:15] = 1
    refuse(flag)


def test_a_flag_that_usually_goes_with_failure_is_let_through() -> None:
    flag = np.zeros(3000)
    flag[:100] = flag[300:302] = 1
    refuse(flag)


def test_a_rare_category_of_healthy_rows_is_let_through() -> None:
    kind = RNG.integers(0, 3, 3000)
    kind[1000:1050] = 9
    refuse(kind)


def test_a_measured_quantity_is_let_through_even_when_it_separates_well() -> None:
    refuse(np.round(np.where(LABELS == 1, 80, 45) + RNG.normal(0, 10, 3000), 1))


def test_a_sensor_stuck_during_failures_is_let_through() -> None:
    stuck = RNG.normal(45, 5, 3000).round(2)
    stuck[:60] = 120.0
    refuse(stuck)


def test_a_constant_column_is_let_through() -> None:
    refuse(np.full(3000, 7.0))


def test_a_feature_declared_to_be_known_afterwards_is_refused_by_name() -> None:
    with pytest.raises(LeakingColumns, match=r"« TWF » \(déclarée connue après coup\)"):
        refuse_declared_leaks(["torque", "TWF"], ["HDF", "TWF"])
    refuse_declared_leaks(["torque"], ["HDF", "TWF"])
