"""The address of a warehouse is read strictly, and never shows its password."""

from pathlib import Path

import pytest

from dpa.dwh_url import DwhUrl
from dpa.errors import UsageError

SECRET = "postgresql://dpa:p%40ss@hote:5432/base?sslmode=require&password=au+tre#1&sslpassword=cle"  # noqa: S105


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("sqlite:///dossier/dwh.sqlite", "sqlite", "dossier/dwh.sqlite"),
        ("sqlite:////data/dwh.sqlite", "sqlite", "/data/dwh.sqlite"),
        ("sqlite:///C:/data/dwh.sqlite", "sqlite", "C:/data/dwh.sqlite"),
        (r"C:\data\dwh.sqlite", "sqlite", r"C:\data\dwh.sqlite"),
        ("dwh.sqlite", "sqlite", "dwh.sqlite"),
        ("postgres://hote/base", "postgresql", "postgresql://hote/base"),
        ("POSTGRESQL://u@hote:5433/base?x=1", "postgresql", "postgresql://u@hote:5433/base?x=1"),
        ("postgresql:///base?host=/run", "postgresql", "postgresql:///base?host=/run"),
    ],
)
def test_an_address_names_a_kind_and_a_place(text: str, kind: str, target: str) -> None:
    assert DwhUrl.parse(text) == DwhUrl(kind, target)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mysql://hote/base", "n'est pas pris en charge"),
        ("sqlite://dwh.sqlite", "trois barres"),
        ("sqlite:///", "chemin d'un fichier"),
        (":memory:", "chemin d'un fichier"),
        ("", "chemin d'un fichier"),
        ("postgresql://hote", "nommez la base"),
        ("postgresql://hote:port/base", "vérifiez l'hôte et le port"),
    ],
)
def test_another_address_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        DwhUrl.parse(text)


def test_a_password_is_shown_nowhere() -> None:
    url = DwhUrl.parse(SECRET)
    assert str(url) == "postgresql://dpa@hote:5432/base?sslmode=require"
    assert url.redacted("« p%40ss », p@ss, au+tre#1, cle") == "« *** », ***, ***, ***"
    assert "p%40ss" not in repr(url)


def test_an_address_without_a_password_is_shown_whole() -> None:
    assert str(DwhUrl.parse("postgresql:///base")) == "postgresql:///base"
    assert DwhUrl.parse("dwh.sqlite").redacted("secret") == "secret"
    assert DwhUrl.parse("postgresql://hote/base").redacted("secret") == "secret"


def test_parameters_that_the_address_sets_stand_before_the_defaults() -> None:
    url = DwhUrl.parse("postgresql://hote/base?connect_timeout=2&options=-csearch_path=x%2Cy+z")
    assert url.completed({"connect_timeout": "10", "client_encoding": "UTF8"}) == (
        "postgresql://hote/base?connect_timeout=2&client_encoding=UTF8"
        "&options=-csearch_path%3Dx%2Cy%2Bz"
    )


def test_only_a_sqlite_warehouse_has_a_file() -> None:
    assert DwhUrl.of_file(Path("a") / "b.sqlite").path == Path("a") / "b.sqlite"
    with pytest.raises(TypeError, match="no file"):
        _ = DwhUrl.parse("postgresql://hote/base").path


@pytest.mark.parametrize(
    "text",
    [
        "postgresql:/camrail:Secret@h/d",
        "postgresql//camrail:Secret@h/d",
        "postgres:camrail:Secret@h/d",
        "sqlite:/chemin/Secret.sqlite",
        "pg:/camrail:Secret@h/d",
        "host=h password=Secret dbname=d",
        "postgresql://camrail:un@Secret@h/d",
    ],
)
def test_a_mistyped_address_is_no_file_and_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        DwhUrl.parse(text)
    assert "Secret" not in str(raised.value)


def test_spaces_around_an_address_do_not_make_it_a_file() -> None:
    assert DwhUrl.parse(" postgresql://camrail@h/d ").kind == "postgresql"


@pytest.mark.parametrize(
    "path", ["C:\\data\\b.db", "C:/data/b.db", "postgres.db", "sqlite_data/b.db"]
)
def test_a_path_may_resemble_an_address(path: str) -> None:
    assert DwhUrl.parse(path).target == path
