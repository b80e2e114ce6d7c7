"""The command line: exit codes, streams, messages."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from dpa.cli import main
from dpa.errors import OutcomeUnknown
from dpa.settings import SERVICE_ROOT
from dpa.summary import EtlSummary

from .conftest import Desk

GOOD = "T1,M1,2026-01-05,1234.5,OK"
Capture = pytest.CaptureFixture[str]


def test_a_run_tells_its_balance_on_stdout_and_its_progress_on_stderr(
    desk: Desk, capsys: Capture
) -> None:
    desk.erp(GOOD, GOOD, "T2,M1,hier,1,OK")
    assert main(desk.flags, desk.environ) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:3] == [
        "Lignes lues 3 = chargées 1 + rejetées 1 + doublons 1",
        "Chargées 1 = nouvelles 1 + corrigées 0 (1\u00a0234,50\u00a0t)",
        "  DATE_INVALIDE : 1",
    ]
    assert out.splitlines()[3] == "Rejets encore ouverts dans l'entrepôt : 1 (commande rejets)"
    assert "INFO    | Rapport écrit : " in err


def test_json_prints_exactly_one_document(desk: Desk, capsys: Capture) -> None:
    desk.erp(GOOD)
    assert main([*desk.flags, "--json"], desk.environ) == 0
    summary = EtlSummary.model_validate_json(capsys.readouterr().out)
    assert (summary.status, summary.loaded) == ("ok", 1)
    assert summary.dwh == str(desk.settings.dwh)


def test_json_says_what_code_3_means(desk: Desk, capsys: Capture) -> None:
    desk.erp(GOOD, "T2,M1,hier,1,OK")
    assert main([*desk.flags, "--max-rejects=0", "--json"], desk.environ) == 3
    summary = EtlSummary.model_validate_json(capsys.readouterr().out)
    assert (summary.status, summary.loaded, summary.open_rejects) == (
        "committed_with_warnings", 1, 1,
    )  # fmt: skip


def test_an_unknown_outcome_names_its_run(
    desk: Desk, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> NoReturn:
        raise OutcomeUnknown("on ne sait pas si le lot R7 est chargé", "R7")

    monkeypatch.setattr("dpa.pipeline.load", lost)
    desk.erp(GOOD)
    assert main([*desk.flags, "--json"], desk.environ) == 1
    summary = EtlSummary.model_validate_json(capsys.readouterr().out)
    assert (summary.status, summary.run_id) == ("unknown", "R7")


def test_unknown_sites_are_told_before_anything_is_loaded(desk: Desk, capsys: Capture) -> None:
    desk.erp(GOOD)
    assert main([*desk.flags, "--sites=yaounde,Paris", "--json"], desk.environ) == 2
    out, err = capsys.readouterr()
    assert "« yaounde » (vouliez-vous dire Yaoundé ?) ; « Paris » : ni dans" in err
    assert EtlSummary.model_validate_json(out).status == "error"
    assert not desk.settings.dwh.path.exists()
    assert main([*desk.flags, "--sites=Yaoundé,Inconnu"], desk.environ) == 0


def test_a_site_of_an_earlier_list_is_known(desk: Desk) -> None:
    desk.erp(GOOD)
    desk.run()
    desk.machines([{"machine_id": "M9", "site_location": "Kribi", "installation_year": None}])
    assert main([*desk.flags, "--sites=Kribi,Douala"], desk.environ) == 0


def test_what_a_driver_says_goes_to_the_log_file_alone(desk: Desk, capsys: Capture) -> None:
    desk.erp(GOOD)
    dwh = "--dwh=postgresql://dpa:s3cret@127.0.0.1:9/base?connect_timeout=2"
    assert main([*desk.flags, dwh], desk.environ) == 1
    told = capsys.readouterr().err
    logged = (desk.settings.log_dir / "dpa.log").read_text(encoding="utf-8")
    assert "aucun serveur n'écoute" in told
    assert "Connection refused" not in told
    assert "Connection refused" in logged
    assert "s3cret" not in told + logged


def test_a_failure_is_one_french_line_and_an_error_document(desk: Desk, capsys: Capture) -> None:
    assert main([*desk.flags, "--json"], desk.environ) == 1
    out, err = capsys.readouterr()
    summary = EtlSummary.model_validate_json(out)
    assert (summary.status, summary.read, summary.run_id) == ("error", 0, None)
    assert "introuvable" in str(summary.error)
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("ERROR   | ")


@pytest.mark.parametrize(
    ("lines", "header", "word"),
    [
        ([GOOD], "transaction_id,date", "colonnes absentes"),
        ([], None, "aucune ligne"),
    ],
)
def test_a_bad_file_ends_with_code_1_and_creates_no_warehouse(
    desk: Desk, capsys: Capture, lines: list[str], header: str | None, word: str
) -> None:
    desk.erp(*lines, **({"header": header} if header else {}))
    assert main(desk.flags, desk.environ) == 1
    assert word in capsys.readouterr().err
    assert not desk.settings.dwh.path.exists()


@pytest.mark.parametrize("limit", ["0", "49,9%", "10 %"])
def test_too_many_rejects_end_with_code_3(desk: Desk, limit: str) -> None:
    desk.erp(GOOD, "T2,M1,hier,1,OK")
    assert main([*desk.flags, "--max-rejects", limit], desk.environ) == 3


@pytest.mark.parametrize("limit", ["1", "50%"])
def test_as_many_rejects_as_admitted_end_with_code_0(desk: Desk, limit: str) -> None:
    desk.erp(GOOD, "T2,M1,hier,1,OK")
    assert main([*desk.flags, "--max-rejects", limit], desk.environ) == 0


def test_a_missing_report_ends_with_code_3(desk: Desk, capsys: Capture) -> None:
    desk.erp(GOOD)
    (desk.settings.report / "plein").mkdir(parents=True)
    assert main(desk.flags, desk.environ) == 3
    assert "Rapport : non écrit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--inconnu"], "arguments inconnus : --inconnu"),
        (["--erp"], "--erp attend une valeur"),
        (["--json=oui"], "n'attend pas de valeur"),
        (["--ma", "x"], "option ambiguë"),
        (["autre"], "commande inconnue : 'autre'"),
        (["synth"], "arguments obligatoires : --out"),
        (["synth", "--out", "x", "--seed", "un"], "--seed attend un nombre entier positif"),
        (["synth", "--out", "x", "--seed", "-1"], "--seed attend"),
        (["--max-rejects", "beaucoup"], "--max-rejects 'beaucoup'"),
        (["--dwh", "mysql://u:secret@h/d"], "« mysql » n'est pas pris en charge"),
        (["--dwh", "postgresql://u:secret@h"], "nommez la base"),
        (["--rejects", "rejets.csv"], ".xlsx"),
        (["--engine", "spark"], "--engine admet"),
        (["--scheduler", "tcp://h:1"], "--engine dask"),
        (["--since", "hier"], "--since 'hier'"),
        (["--from", "02/01/2026", "--to", "01/01/2026"], "est après"),
        (["--sites", " , "], "au moins un site"),
        (["--resubmit", "r.xlsx", "--erp", "e.csv"], "--resubmit se passe de --erp"),
        (["trace"], "arguments obligatoires : TRANSACTION"),
        (["--report", "rapport.csv"], ".xlsx"),
    ],
)
def test_misuse_ends_with_code_2_in_french(
    flags: list[str], words: str, desk: Desk, capsys: Capture
) -> None:
    assert main([*flags, "--json"], desk.environ) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert "secret" not in err + out
    assert EtlSummary.model_validate_json(out).status == "error"


def test_a_wrong_environment_is_misuse(desk: Desk, capsys: Capture) -> None:
    assert main(desk.flags, {"DPA_BUSY_TIMEOUT_S": "vite"}) == 2
    assert "DPA_BUSY_TIMEOUT_S" in capsys.readouterr().err


def test_help_is_french_and_names_the_exit_codes(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--help"], {})
    out = capsys.readouterr().out
    assert raised.value.code == 0
    assert out.startswith("utilisation : main_pipeline.py")
    for word in ("--max-rejects N|P%", "codes de sortie", "afficher cette aide"):
        assert word in out
    assert "show this help" not in out


def test_synth_writes_samples_and_never_overwrites_without_force(
    tmp_path: Path, capsys: Capture
) -> None:
    command = ["synth", "--out", str(tmp_path / "neuf"), "--seed", "7"]
    assert main(command, {}) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(command, {}) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--force"], {}) == 0


def test_samples_that_cannot_be_written_end_with_code_1(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "pris").write_text("", encoding="utf-8")
    assert main(["synth", "--out", str(tmp_path / "pris")], {}) == 1
    assert "écriture impossible" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--erp", "--machines", "--mapping", "--dwh"])
def test_a_name_too_long_for_the_system_ends_with_code_1(
    flag: str, desk: Desk, capsys: Capture
) -> None:
    desk.erp(GOOD)
    assert main([*desk.flags, flag, str(desk.folder / ("a" * 300))], desk.environ) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_report_name_too_long_for_the_system_ends_with_code_3(desk: Desk) -> None:
    desk.erp(GOOD)
    report = desk.folder / ("a" * 300 + ".xlsx")
    assert main([*desk.flags, "--report", str(report)], desk.environ) == 3


def test_an_interruption_ends_with_code_130(
    desk: Desk, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dpa.pipeline.load", interrupted)
    desk.erp(GOOD)
    assert main(desk.flags, desk.environ) == 130
    assert capsys.readouterr().err.endswith("Interrompu.\n")


def test_the_launcher_finds_its_defaults_from_any_folder(tmp_path: Path) -> None:
    launcher = SERVICE_ROOT / "src" / "main_pipeline.py"
    flags = ["--dwh", "sqlite:///dwh.sqlite", "--report", "r.xlsx", "--json"]
    environ = {"DPA_LOG_DIR": str(tmp_path / "logs"), "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(
        [sys.executable, launcher, *flags],
        cwd=tmp_path,
        env=os.environ | environ,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["read"] == 3019
    assert (tmp_path / "dwh.sqlite").exists()
    assert (tmp_path / "r.xlsx").exists()
