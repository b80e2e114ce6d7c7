"""Statements kept in .sql files, and the analyses that analysts paste, on either kind."""

import pytest
from store import Store, part

from dpa.sql_files import SQL_ROOT, named_statements, statements

ANALYSES = named_statements(SQL_ROOT / "advanced_queries.sql")

JANUARY = [
    *[(n, f"Q{n}", "M1", f"2026-01-05 0{n}:00", 50.0, "OK") for n in (2, 3, 4)],
    *[(n, f"N{n}", "M1", f"2026-01-06 0{n}:00", 1.0, "ERR") for n in (5, 6, 7, 8)],
    (9, "Y1", "M2", "2026-01-06 10:00", 1.0, "WARN"),
    (10, "Y2", "M2", "2026-01-22 10:00", 80.0, "OK"),
]
EXPECTED = {
    "hausse_anormale_des_alertes": [("Douala", "2026-01-06", 4, 0, 4)],
    "classement_de_fiabilite_des_sites": [
        (1, "Yaoundé", 2, 1, 0.5),
        (2, "Douala", 7, 4, pytest.approx(3 / 7)),
    ],
    "pareto_des_machines": [("M1", "Douala", 4, 0.8), ("M2", "Yaoundé", 1, 1.0)],
    "moyenne_mobile_du_volume_sur_sept_jours": [
        ("Douala", "2026-01-05", 150.0, 150.0),
        ("Douala", "2026-01-06", 4.0, 77.0),
        ("Yaoundé", "2026-01-06", 1.0, 1.0),
        ("Yaoundé", "2026-01-22", 80.0, 40.5),
    ],
    "tendance_hebdomadaire": [
        (2026, 2, 155.0, None),
        (2026, 3, 0.0, -155.0),
        (2026, 4, 80.0, 80.0),
    ],
    "jours_sans_transaction": [
        (f"2026-01-{day:02d}", name)
        for day, name in (
            (7, "mercredi"), (8, "jeudi"), (9, "vendredi"), (12, "lundi"), (13, "mardi"),
            (14, "mercredi"), (15, "jeudi"), (16, "vendredi"), (19, "lundi"), (20, "mardi"),
            (21, "mercredi"),
        )
    ],
    "rejets_par_regle": [("DATE_INVALIDE", "La date n'existe pas.", 2, 1)],
    "corrections_par_source": [],
}  # fmt: skip


def test_a_semicolon_in_a_comment_or_a_text_does_not_end_a_statement() -> None:
    script = "CREATE TABLE a (b); -- un ; ici\nINSERT INTO a VALUES ('x;y');\n"
    assert [text.strip().splitlines()[-1] for text in statements(script)] == [
        "CREATE TABLE a (b); -- un ; ici",
        "INSERT INTO a VALUES ('x;y');",
    ]


def test_every_analysis_answers_with_its_figures(store: Store) -> None:
    store.load(part(JANUARY, [11, 12]))
    assert {name: store.rows(query) for name, query in ANALYSES.items()} == EXPECTED


def test_corrections_are_weighed_by_the_file_that_was_wrong(store: Store) -> None:
    store.load(part(JANUARY), transactions_path="janvier.csv")
    for volume in (45.0, 40.0):
        row = (2, "Q2", "M1", "2026-01-05 02:00", volume, "OK")
        store.load(part([row]), transactions_path="reprise.csv")
    assert store.rows(ANALYSES["corrections_par_source"]) == [
        ("janvier.csv", 1, 1, 1, -5.0),
        ("reprise.csv", 1, 1, 1, -5.0),
    ]


def test_every_view_answers(store: Store) -> None:
    store.load(part(JANUARY, [11]))
    store.load(part([(2, "Q2", "M1", "2026-01-05 02:00", 45.0, "OK")]))
    views = SQL_ROOT.joinpath("views.sql").read_text(encoding="utf-8").split("CREATE VIEW ")[1:]
    assert len(views) == 12
    for view in views:
        assert store.rows(f"SELECT * FROM {view.split()[0]}")  # noqa: S608  (our views)
