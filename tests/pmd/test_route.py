import numpy as np
import pytest

from pmd import route


def test_stations_are_in_order_along_the_line() -> None:
    assert len(route.STATIONS) == len(route.STATION_KM) == len(route.STATION_ALTITUDE_M)
    assert (np.diff(route.STATION_KM) > 0).all()
    assert route.STATION_KM[route.STATIONS.index("Yaoundé")] == 265
    assert route.LENGTH_KM == 888


def test_a_train_goes_waits_comes_back_and_waits() -> None:
    leg, dwell = route.LEG_H, route.DWELL_H
    clock = np.array([0.0, 1.0, leg, leg + dwell, leg + dwell + 1, 2 * leg + dwell + 1])
    km, direction = route.position(clock)
    speed = route.SPEED_KM_H
    assert km == pytest.approx([0, speed, 888, 888, 888 - speed, 0])
    assert direction.tolist() == [1, 1, 0, -1, -1, 0]
    again, _ = route.position(clock + route.TURN_H)
    assert again == pytest.approx(km)


def test_the_climb_beyond_eseka_is_the_steepest_and_no_slope_is_beyond_the_line_s() -> None:
    km = np.arange(0.0, route.LENGTH_KM)
    slope = route.slope_m_per_km(km, np.ones(len(km)))
    assert 153 < km[np.argmax(slope)] < 180
    assert np.abs(slope).max() <= route.STEEPEST_M_PER_KM
    assert (route.slope_m_per_km(km, -np.ones(len(km))) == -slope).all()


def test_climbing_takes_more_notches_than_descending_and_standing_none() -> None:
    km = np.array([165.0, 165.0, 165.0, 165.0])
    loads = route.load(km, np.array([1.0, -1.0, 0.0, 1.0]), np.array([0.0, 0.0, 5.0, 9.0]))
    assert loads.tolist() == [1.0, 1 / 8, 0.0, 1.0]


def test_a_notch_is_one_of_nine() -> None:
    rng = np.random.default_rng(1)
    km, direction = route.position(rng.uniform(0, 100, 5000))
    notches = set((8 * route.load(km, direction, rng.standard_normal(5000))).tolist())
    assert notches <= set(range(9))
    assert len(notches) > 6
