"""Statements kept in .sql files, and the analyses that analysts paste."""

import sqlite3
from contextlib import closing

import pytest

from dpa.settings import SQL_ROOT
from dpa.sql_files import named_statements, statements

from .conftest import Desk

ANALYSES = named_statements(SQL_ROOT / "advanced_queries.sql")


def test_a_semicolon_in_a_comment_or_a_text_does_not_end_a_statement() -> None:
    script = "CREATE TABLE a (b); -- un ; ici\nINSERT INTO a VALUES ('x;y');\n"
    assert [part.strip().splitlines()[-1] for part in statements(script)] == [
        "CREATE TABLE a (b); -- un ; ici",
        "INSERT INTO a VALUES ('x;y');",
    ]


@pytest.fixture
def analysed(desk: Desk) -> Desk:
    quiet = [f"Q{n},M1,2026-01-05 0{n}:00,50,OK" for n in range(3)]
    noisy = [f"N{n},M1,2026-01-06 0{n}:00,1,ERR" for n in range(4)]
    desk.erp(*quiet, *noisy, "Y1,M2,2026-01-06,1,WARN", "Y2,M2,2026-01-06,80,OK", "X,M1,hier,1,OK")
    desk.run()
    return desk


@pytest.mark.parametrize(
    ("name", "first_row"),
    [
        ("hausse_anormale_des_alertes", ("Douala", "2026-01-06", 4, 0, 4)),
        ("classement_de_fiabilite_des_sites", (1, "Yaoundé", 2, 1, 0.5)),
        ("pareto_des_machines", ("M1", "Douala", 4, 0.8)),
        ("moyenne_mobile_du_volume_sur_sept_jours", ("Douala", "2026-01-05", 150.0, 150.0)),
        (
            "rejets_par_regle",
            ("DATE_INVALIDE", "La date n'existe pas ou n'a pas un format attendu.", 1),
        ),
    ],
)
def test_an_analysis_answers(analysed: Desk, name: str, first_row: tuple[object, ...]) -> None:
    assert analysed.query(ANALYSES[name])[0] == first_row


def test_corrections_are_weighed_by_run(analysed: Desk) -> None:
    analysed.erp("Q0,M1,2026-01-05 00:00,45,OK")
    run_id = analysed.run().summary.run_id
    assert analysed.query(ANALYSES["corrections_par_lot"]) == [(run_id, 1, -5.0)]


def test_every_analysis_is_tested_and_every_view_answers(analysed: Desk) -> None:
    assert len(ANALYSES) == 6
    with closing(sqlite3.connect(analysed.settings.dwh)) as connection:
        views = connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
    assert len(views) == 7
    for (view,) in views:
        assert analysed.query(f"SELECT * FROM {view}"), view  # noqa: S608 (names of our views)
