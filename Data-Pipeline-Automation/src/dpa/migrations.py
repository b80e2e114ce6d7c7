"""The schema is created, or brought to the present version by numbered scripts."""

from pathlib import Path
from typing import Final

from dpa.database import Database
from dpa.errors import WarehouseForeign
from dpa.sql_files import SQL_ROOT

SCHEMA_VERSION: Final = 3


def ensure_schema(database: Database, scripts: Path = SQL_ROOT) -> None:
    """Create the tables and views, or migrate older ones; a present schema is left alone.

    Part of the transaction that it runs in. Raises WarehouseForeign for a newer schema, or for a
    database of another program.
    """
    found = database.schema_version()
    refuse_newer(found)
    if found == SCHEMA_VERSION:
        return
    if found == 0:
        database.run_script(_text(scripts / "schema.sql"))
    else:
        for version in range(found + 1, SCHEMA_VERSION + 1):
            database.run_script(_text(_migration(scripts, version, database.kind)))
    database.run_script(database.localized(_text(scripts / "views.sql")))
    database.set_schema_version(SCHEMA_VERSION)


def refuse_newer(version: int) -> None:
    """Raise WarehouseForeign for a schema that only a newer program knows."""
    if version > SCHEMA_VERSION:
        raise WarehouseForeign(
            f"entrepôt de version {version}, ce programme connaît la version {SCHEMA_VERSION} ; "
            "mettez le programme à jour."
        )


def _migration(scripts: Path, version: int, kind: str) -> Path:
    """Find the script that leads to `version`: `002_….sql`, or `002_….sqlite.sql` for one kind."""
    found = list((scripts / "migrations").glob(f"{version:03d}_*.sql"))
    own = [path for path in found if path.name.endswith(f".{kind}.sql")]
    (path,) = own or [path for path in found if path.name.count(".") == 1]
    return path


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
