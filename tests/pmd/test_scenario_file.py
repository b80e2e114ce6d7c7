import re
from pathlib import Path

import pytest

from pmd.degradation import BEARING, FAILURE_TYPES, LEAK, PlannedFailure
from pmd.errors import InvalidScenario
from pmd.scenario import Scenario
from pmd.scenario_file import read_scenario
from pmd.sensor_faults import DRIFT, DRIFT_SIZE, FAULT_KINDS, GAP, SPIKE, STUCK, SensorFault

CONFIG = Path(__file__).parents[2] / "Predictive-Maintenance-Dashboard/config"
FAILURE = "{loco_id: LOCO_002, failure_type: bearing_wear, onset_h: 24, growth_h: 48}"


def read(folder: Path, text: str, locos: int = 8, hours: float = 100.0) -> Scenario:
    path = folder / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path, locos, hours)


def test_a_failure_grows_from_its_onset(tmp_path: Path) -> None:
    scenario = read(tmp_path, f"random_failures: false\nfailures: [{FAILURE}]")
    assert scenario.failures == (PlannedFailure(1, BEARING, 24.0, 72.0, 12.0, 0.5),)
    assert not scenario.random_failures
    assert scenario.random_sensor_faults


def test_each_kind_of_sensor_fault_has_what_it_needs(tmp_path: Path) -> None:
    scenario = read(
        tmp_path,
        """
        sensor_faults:
          - {loco_id: LOCO_001, fault: stuck, sensor: pressure, start_h: 1, duration_h: 4}
          - {loco_id: LOCO_001, fault: drift, sensor: flow_rate, start_h: 2, duration_h: 4}
          - {loco_id: LOCO_001, fault: spike, sensor: temperature, start_h: 3, size: -20}
          - {loco_id: LOCO_003, fault: gap, start_h: 4, duration_h: 4}
        """,
    )
    assert scenario.sensor_faults == (
        SensorFault(0, STUCK, 1, 1.0, 5.0),
        SensorFault(0, DRIFT, 0, 2.0, 6.0, DRIFT_SIZE[0]),
        SensorFault(0, SPIKE, 3, 3.0, 3.0, -20.0),
        SensorFault(2, GAP, 0, 4.0, 8.0),
    )


def test_the_template_changes_nothing_and_its_commented_lines_are_a_scenario(
    tmp_path: Path,
) -> None:
    template = (CONFIG / "scenario_modele.yaml").read_text(encoding="utf-8")
    assert read(tmp_path, template) == Scenario()
    uncommented = re.sub(r"(?m)^# (?=failures:|sensor_faults:|  )", "", template)
    scenario = read(tmp_path, uncommented)
    assert len(scenario.failures) == len(scenario.sensor_faults) == 1


def test_the_demonstration_shows_every_failure_and_every_fault_in_three_days() -> None:
    scenario = read_scenario(CONFIG / "scenario_demo.yaml", 8, 71.5)
    assert {FAILURE_TYPES[failure.mode] for failure in scenario.failures} == set(FAILURE_TYPES)
    assert {fault.kind for fault in scenario.sensor_faults} == set(FAULT_KINDS)
    assert all(failure.failure_h < 71.5 for failure in scenario.failures)
    assert all(failure.loco != 0 for failure in scenario.failures)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("failures: [", "ligne 1 : ce n'est pas du YAML"),
        ("failures: []\na: b: c", "ligne 2 : ce n'est pas du YAML"),
        ("", "fichier : suite de lignes"),
        ("[1, 2]", "fichier : suite de lignes"),
        ("faults: []", "faults : nom inconnu"),
        ("random_failures: 1", "random_failures : true ou false attendu (trouvé « 1 »)"),
        ("failures: {}", "failures : liste attendue"),
        ("failures: [12]", "failures[0] : suite de lignes"),
        ("failures: [{}]", "failures[0].loco_id : valeur absente"),
        (f"failures: [{FAILURE.replace('bearing_wear', 'wear')}]", "'hydraulic_leak', "),
        (f"failures: [{FAILURE.replace('24', '-1')}]", "onset_h : au moins 0"),
        (f"failures: [{FAILURE.replace('48', '0')}]", "growth_h : au moins 0.1"),
        (f"failures: [{FAILURE.replace('24', '.nan')}]", "onset_h : nombre fini attendu"),
        (f"failures: [{FAILURE.replace('24', 'demain')}]", "onset_h : nombre attendu"),
        (f"failures: [{FAILURE.replace('48', '48, severity: 2')}]", "severity : au plus 1"),
        (f"failures: [{FAILURE.replace('LOCO_002', '2')}]", "loco_id : texte attendu"),
        (f"failures: [{FAILURE.replace('LOCO_002', 'LOCO_009')}]", "de LOCO_001 à LOCO_008"),
        (f"failures: [{FAILURE.replace('24', '101')}]", "après la dernière mesure (100 h)"),
        (f"failures: [{FAILURE}, {FAILURE.replace('24', '83')}]", "deux pannes à la fois"),
        ("sensor_faults: [{loco_id: LOCO_001, fault: gap, start_h: 1}]", "demande duration_h"),
        (
            "sensor_faults: [{loco_id: LOCO_001, fault: stuck, start_h: 1, duration_h: 2}]",
            "sensor_faults[0] : stuck demande sensor",
        ),
        (
            "sensor_faults: [{loco_id: LOCO_001, fault: gap, start_h: 1, duration_h: 2, size: 3}]",
            "gap ne prend pas size",
        ),
        (
            "sensor_faults: [{loco_id: LOCO_001, fault: spike, sensor: pressure, start_h: 1, "
            "size: .inf}]",
            "size : nombre fini attendu",
        ),
    ],
)
def test_what_cannot_be_played_is_refused_by_its_place(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InvalidScenario, match=re.escape(message)) as error:
        read(tmp_path, text)
    assert str(error.value).startswith("scenario.yaml : ")


def test_two_failures_may_follow_each_other(tmp_path: Path) -> None:
    after = FAILURE.replace("24", "84").replace("bearing_wear", "hydraulic_leak")
    scenario = read(tmp_path, f"failures: [{FAILURE}, {after}]")
    assert [failure.mode for failure in scenario.failures] == [BEARING, LEAK]


def test_a_file_that_is_absent_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidScenario, match="lecture impossible"):
        read_scenario(tmp_path / "absent.yaml", 8, 100.0)
    (tmp_path / "latin.yaml").write_bytes(b"# \xe9\n")
    with pytest.raises(InvalidScenario, match="YAML en UTF-8"):
        read_scenario(tmp_path / "latin.yaml", 8, 100.0)
