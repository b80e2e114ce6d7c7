"""PostgreSQL's own pg_dump and pg_restore, found in PG_BIN or on the PATH."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cidp.errors import BackupError
from cidp.store_url import StoreUrl

_SCHEMA_ENTRY = re.compile(r"^\d+; \d+ \d+ SCHEMA - (?P<name>\S+) ", re.MULTILINE)
_COUNT = """
SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND nspname !~ '^(pg_|information_schema$)'
  AND (%(path)s::TEXT[] IS NULL OR nspname = ANY(%(path)s::TEXT[]))
"""

_OBJECTS = """
SELECT word, format('%I.%I', nspname, relname), concat_ws(' ', word, nspname, relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN (VALUES ('r', 'TABLE'), ('p', 'TABLE'), ('v', 'VIEW'), ('m', 'MATERIALIZED VIEW'),
             ('S', 'SEQUENCE')) AS kinds (relkind, word) ON kinds.relkind = c.relkind::TEXT
WHERE nspname !~ '^(pg_|information_schema$)'
UNION ALL
SELECT 'FUNCTION', p.oid::regprocedure::TEXT, concat_ws(' ', 'FUNCTION', nspname,
       replace(substr(p.oid::regprocedure::TEXT, length(quote_ident(nspname)) + 2), ',', ', '))
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE nspname !~ '^(pg_|information_schema$)'
"""
"""Objects of a database: what they are, their quoted names, and how pg_restore lists them."""


def dump(url: StoreUrl, file: Path) -> None:
    """Write the schemas that `url` works in to `file`; without a search_path, all of them.

    Raises `BackupError`.
    """
    chosen = [f"--schema={_quoted(name)}" for name in _search_path(url)]
    _run(url, "pg_dump", "--format=custom", "--no-owner", "--no-acl", *chosen, f"--file={file}")


def restore(url: StoreUrl, file: Path, *, replace: bool) -> None:
    """Bring back what `dump` wrote, all of it or nothing; raises `BackupError`.

    With `replace`, tables, views and functions that the dump holds are dropped first, in the same
    transaction: pg_restore's own `--clean` cannot drop a partitioned table's key.
    """
    listed = contents(file)
    schemas = [found["name"] for found in _SCHEMA_ENTRY.finditer(listed)]
    before = [sql.SQL("CREATE SCHEMA IF NOT EXISTS {};").format(sql.Identifier(n)) for n in schemas]
    drops = _drops(url, listed) if replace else []
    with tempfile.TemporaryDirectory() as scratch:
        # A schema that is there already, as "public" is, would stop the restoration.
        kept = Path(scratch) / "liste"
        kept.write_text(_SCHEMA_ENTRY.sub(r";\g<0>", listed), encoding="utf-8")
        first, second = Path(scratch) / "avant.sql", Path(scratch) / "donnees.sql"
        first.write_text(
            "\n".join([*(each.as_string() for each in before), *drops]), encoding="utf-8"
        )
        options = ["--no-owner", "--no-acl", f"--use-list={kept}", f"--file={second}"]
        _execute([_program("pg_restore"), *options, str(file)], dict(os.environ), str)
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        _run(url, "psql", *options, f"--file={first}", f"--file={second}")


def contents(file: Path) -> str:
    """List what `file` holds; raises `BackupError` when it is no dump."""
    return _execute([_program("pg_restore"), "--list", str(file)], dict(os.environ), str)


def relations(url: StoreUrl) -> int:
    """Count the tables and views that a dump of `url` would hold; raises `BackupError`."""
    with _connected(url) as connection:
        found = connection.execute(_COUNT, {"path": _search_path(url) or None}).fetchone()
    return int(str(found[0])) if found else 0


def _drops(url: StoreUrl, listed: str) -> list[str]:
    """Return what drops the objects of a database that a dump's list names."""
    with _connected(url) as connection:
        connection.execute("SET search_path = ''")
        found = connection.execute(_OBJECTS).fetchall()
    # Tables first: the sequence of an identity goes with its table, and cannot go before.
    found.sort(key=lambda row: row[0] != "TABLE")
    return [
        f"DROP {kind} IF EXISTS {name} CASCADE;"
        for kind, name, entry in found
        if f" {entry} " in listed
    ]


def _connected(url: StoreUrl) -> "psycopg.Connection[tuple[object, ...]]":
    try:
        return psycopg.connect(url.target, connect_timeout=10)
    except psycopg.Error as error:
        raise BackupError(
            f"{url} ne répond pas ({url.redacted(str(error)).strip()}) : vérifiez le serveur,"
            " l'adresse et le compte."
        ) from error


def _search_path(url: StoreUrl) -> list[str]:
    """Return the schemas that the address itself asks for, by `options=-csearch_path=…`."""
    options = str(conninfo_to_dict(url.target).get("options") or "")
    found = re.search(r"search_path\s*=\s*(\S+)", options)
    names = found[1].split(",") if found else []
    return [name.strip().strip('"') for name in names if name.strip() and name != '"$user"']


def _quoted(name: str) -> str:
    """Name one schema to pg_dump, which reads a pattern outside of double quotes."""
    return '"' + name.replace('"', '""') + '"'


def _run(url: StoreUrl, program: str, *options: str) -> None:
    """Run a program on `url`; its password travels in the environment, where `ps` shows none."""
    given = conninfo_to_dict(url.target)
    password = given.pop("password", None)
    given.pop("options", None)
    environ = dict(os.environ) | {"PGOPTIONS": "-c client_min_messages=warning"}
    if password:
        environ["PGPASSWORD"] = str(password)
    address = make_conninfo(**given)  # type: ignore[arg-type]
    _execute([_program(program), f"--dbname={address}", *options], environ, url.redacted)


def _execute(command: list[str], environ: dict[str, str], redacted: Callable[[str], str]) -> str:
    done = subprocess.run(  # noqa: S603 (a program of PostgreSQL, no shell)
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        causes = [line for line in lines if "error" in line.lower()] or lines
        told = causes[0] if causes else f"code {done.returncode}"
        raise BackupError(f"{Path(command[0]).name} a échoué : {redacted(told)}")
    return done.stdout


def _program(name: str) -> str:
    folder = os.environ.get("PG_BIN")
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    if found is None:
        raise BackupError(
            f"{name} est introuvable : installez les programmes clients de PostgreSQL, ou nommez"
            " leur dossier dans PG_BIN."
        )
    return found
