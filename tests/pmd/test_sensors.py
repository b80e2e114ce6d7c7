from pmd.sensors import BY_NAME, SENSOR_NAMES, SENSORS, VIBRATION_ZONE_LIMITS_MM_S, loco_name


def test_sensors_come_in_the_order_of_the_prediction_body() -> None:
    assert SENSOR_NAMES == ("flow_rate", "pressure", "vibration", "temperature")
    assert [BY_NAME[name] for name in SENSOR_NAMES] == list(SENSORS)


def test_a_nominal_locomotive_reads_500_5_2_45() -> None:
    assert [sensor.nominal for sensor in SENSORS] == [500, 5, 2, 45]


def test_only_pressure_is_free_to_be_a_fault_both_ways() -> None:
    assert [sensor.monotone for sensor in SENSORS] == [-1, 0, 1, 1]


def test_nominal_vibration_lies_in_the_best_zone_of_the_standard() -> None:
    assert BY_NAME["vibration"].nominal < VIBRATION_ZONE_LIMITS_MM_S[0]


def test_locomotives_are_numbered_from_one() -> None:
    assert [loco_name(0), loco_name(41)] == ["LOCO_001", "LOCO_042"]
