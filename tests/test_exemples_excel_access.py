"""The examples run from a copy of the repository and leave what they say they leave."""

import csv
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

ROOT = Path(__file__).parents[1]
EXAMPLES = "exemples_excel_access"
SERVICE = "Data-Pipeline-Automation"
LEFT_BEHIND = shutil.ignore_patterns("sortie", "database", "reports", "logs", "__pycache__")


def run(script: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DPA_")}
    return subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env=kept | {"PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which every example has run, started from another folder."""
    root = tmp_path_factory.mktemp("dépôt copié")
    for name in (EXAMPLES, SERVICE):
        shutil.copytree(ROOT / name, root / name, ignore=LEFT_BEHIND)
    done = run(root / EXAMPLES / "run_exemples.py", tmp_path_factory.mktemp("ailleurs"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"Tout est dans {EXAMPLES}/sortie"
    return root


@pytest.fixture(scope="module")
def output(copy: Path) -> Path:
    return copy / EXAMPLES / "sortie"


def rows_of(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_the_service_keeps_its_own_files(copy: Path) -> None:
    made = [copy / SERVICE / name for name in ("database", "reports", "logs")]
    assert [path for path in made if path.exists()] == []


def test_the_warehouse_becomes_a_formatted_workbook(output: Path) -> None:
    sheet = load_workbook(output / "01_volumes_par_jour_et_site.xlsx")["Volumes"]
    (count,) = rows_of(
        output / "entrepot_exemples.sqlite",
        "SELECT COUNT(*) FROM v_stats_sites WHERE \"Site\" <> 'Inconnu'",
    )[0]
    assert sheet.tables["Volumes"].ref == f"A1:F{int(str(count)) + 1}"
    assert sheet["A2"].is_date
    assert sheet["C2"].number_format == "#,##0.00"
    assert sheet.freeze_panes == "A2"


def test_the_template_checks_what_is_entered(output: Path) -> None:
    book = load_workbook(output / "modele_saisie_erp.xlsx")
    sheet = book["Saisie"]
    checks = {str(check.sqref)[0]: check for check in sheet.data_validations.dataValidation}
    assert {letter: check.type for letter, check in checks.items()} == {
        "A": "custom",
        "B": "list",
        "C": "date",
        "D": "decimal",
        "E": "list",
    }
    assert {str(check.sqref)[1:] for check in checks.values()} == {
        f"2:{letter}1001" for letter in "ABCDE"
    }
    assert sheet.protection.sheet
    assert sheet["A1"].protection.locked
    assert not sheet["A2"].protection.locked
    assert [cell.value for cell in book["Listes"]["B"][:4]] == ["Statuts", "OK", "WARN", "ERR"]
    assert "saisie_volume_transferred" in book.defined_names
    assert "main_pipeline.py" in str(book["Mode d'emploi"]["A7"].value)


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def test_a_sheet_becomes_a_table(output: Path) -> None:
    assert csv_rows(output / "03_releve_mensuel.csv") == [
        {"ligne": "4", "Dépôt": "Douala", "Jour": "31/01/2026", "Tonnes": "120,5"},
        {"ligne": "5", "Dépôt": "Edéa", "Jour": "31/01/2026", "Tonnes": "48,0"},
        {"ligne": "6", "Dépôt": "Bélabo", "Jour": "31/01/2026", "Tonnes": "0,25"},
    ]


def test_the_filled_template_goes_through_the_pipeline(output: Path) -> None:
    warehouse = output / "04_entrepot.sqlite"
    assert rows_of(warehouse, "SELECT COUNT(*) FROM fact_transactions") == [(23,)]
    assert rows_of(warehouse, 'SELECT "Feuille", "Ligne", "Règle" FROM v_rejets') == [
        ("Saisie", 25, "VOLUME_MANQUANT")
    ]
    assert rows_of(
        warehouse, 'SELECT "Feuille source", "Ligne source" FROM v_transactions ORDER BY 2 LIMIT 1'
    ) == [("Saisie", 2)]
    report = CalamineWorkbook.from_path(output / "04_rapport_supply_chain.xlsx")
    assert report.sheet_names[0] == "Sommaire"


def test_an_access_table_becomes_a_table(output: Path) -> None:
    rows = csv_rows(output / "05_transactions_access.csv")
    assert len(rows) == 50
    assert rows[0]["volume_transferred"] == "37,27"


def test_the_export_for_access_declares_each_column(output: Path) -> None:
    folder = output / "06_import_access"
    schema = (folder / "schema.ini").read_text(encoding="ascii")
    for name in ("transactions.csv", "sites_par_jour.csv"):
        section = schema.split(f"[{name}]")[1].split("[")[0]
        declared = [
            line.split("=")[1].split()[0]
            for line in section.splitlines()
            if line.startswith("Col") and line[3].isdigit()
        ]
        with (folder / name).open(encoding="utf-8") as file:
            assert next(csv.reader(file, delimiter=";")) == declared
    assert (
        len(csv_rows(folder / "transactions.csv"))
        == rows_of(output / "entrepot_exemples.sqlite", "SELECT COUNT(*) FROM fact_transactions")[
            0
        ][0]
    )


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / EXAMPLES).glob("0*.py")))
def test_each_example_runs_again_by_itself(script: str, copy: Path, tmp_path: Path) -> None:
    done = run(copy / EXAMPLES / script, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{EXAMPLES}/" in done.stdout
    assert done.stderr == ""


def test_a_failed_example_stops_the_others(tmp_path: Path) -> None:
    shutil.copytree(ROOT / EXAMPLES, tmp_path / EXAMPLES, ignore=LEFT_BEHIND)
    done = run(tmp_path / EXAMPLES / "run_exemples.py", tmp_path)
    assert done.returncode != 0
    assert "01_entrepot_vers_excel.py a échoué" in done.stderr
    assert "02_modele" not in done.stdout
