"""What the command saves comes back elsewhere row by row; what is damaged is refused by name."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from postgres import running_server
from postgres_server import PostgresServer, binaries

from cidp import backup
from cidp.auth import ApiKey
from cidp.key_sources import read_key_file, write_key_file
from cidp.registry import Registry

Rows = dict[str, list[tuple[object, ...]]]


class Site:
    """A place with data, and the command run on it."""

    def __init__(self, folder: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.models = models
        self.keys = folder / "keys.yaml"
        self.databases = {name: str(folder / f"{name}.sqlite") for name in ("warehouse", "events")}
        self._capsys = capsys
        write_key_file(self.keys, [ApiKey.of("capteurs", "une clé")])

    def run(self, *words: str | Path) -> tuple[int, str]:
        """Run the command; give its code and what it said."""
        code = backup.main([str(word) for word in words])
        said = self._capsys.readouterr()
        return code, said.out + said.err

    def make(self, *words: str) -> Path:
        """Save everything, and give the archive."""
        places = [f"--{name}={url}" for name, url in self.databases.items()]
        files = [f"--models={self.models}", f"--keys={self.keys}"]
        code, said = self.run("make", "--to", self.folder / "archives", *places, *files, *words)
        assert code == 0, said
        return Path(said.splitlines()[0])


@pytest.fixture
def site(
    tmp_path: Path,
    models: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Site:
    for name in ("API_KEYS_FILE", "DPA_DWH", "CAMRAIL_EVENT_STORE", "CAMRAIL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    made = Site(tmp_path, models, capsys)
    for name, path in made.databases.items():
        fill_sqlite(Path(path), name)
    return made


def fill_sqlite(path: Path, name: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(
            f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, texte TEXT, reel REAL, b BLOB)"
        )
        database.execute(f"CREATE VIEW v_{name} AS SELECT texte FROM {name}")  # noqa: S608
        database.executemany(
            f"INSERT INTO {name} VALUES (?, ?, ?, ?)",  # noqa: S608 (a name of ours)
            [(n, f"é{n}\n'", n / 7, bytes([n % 256])) for n in range(500)]
            + [(999, None, None, None)],
        )


def sqlite_rows(path: Path) -> Rows:
    with closing(sqlite3.connect(path)) as database:
        names = [n for (n,) in database.execute("SELECT name FROM sqlite_master ORDER BY name")]
        return {
            name: database.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()  # noqa: S608
            for name in names
        }


def test_everything_comes_back_elsewhere_as_it_was(site: Site, tmp_path: Path) -> None:
    expected = {name: sqlite_rows(Path(path)) for name, path in site.databases.items()}
    archive = site.make()
    shutil.rmtree(site.models / "instant")  # what is lost does not matter
    elsewhere = tmp_path / "ailleurs"
    code, said = site.run("restore", archive, "--into", elsewhere)
    assert code == 0, said
    assert sqlite_rows(elsewhere / "supply_chain_dwh.sqlite") == expected["warehouse"]
    assert sqlite_rows(elsewhere / "events.sqlite") == expected["events"]
    registry = Registry(elsewhere / "models")
    version = registry.promoted_version()
    assert registry.load(version).manifest.version == version
    pickled = registry.bundles / version / "model.pkl"
    assert registry.latest_pickle.read_bytes() == pickled.read_bytes()
    assert [key.id for key in read_key_file(elsewhere / "keys.yaml")] == ["capteurs"]


def test_a_damaged_model_is_saved_and_named_and_absent_keys_are_told(
    site: Site, tmp_path: Path
) -> None:
    registry = Registry(site.models)
    model = registry.bundles / registry.promoted_version() / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    code, said = site.run(
        "make", "--to", tmp_path / "archives", f"--models={site.models}",
        *(f"--{name}={url}" for name, url in site.databases.items()),
    )  # fmt: skip
    assert code == 0
    assert "ATTENTION : Modèle" in said
    assert "model.onnx ne correspond pas à l'empreinte" in said
    assert "clés : aucun fichier réglé" in said


def test_a_backup_holds_what_was_committed_while_others_write(site: Site, tmp_path: Path) -> None:
    path = Path(site.databases["events"])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO events VALUES (1000, 'validé', 1, NULL)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO events VALUES (1001, 'en cours', 1, NULL)")
        archive = site.make()
    site.run("restore", archive, "--into", tmp_path / "ailleurs", "--only", "events")
    ids = [row[0] for row in sqlite_rows(tmp_path / "ailleurs" / "events.sqlite")["events"]]
    assert ids[-1] == 1000


def test_data_are_overwritten_only_when_that_is_asked_for(site: Site) -> None:
    archive = site.make()
    path = Path(site.databases["events"])
    before = sqlite_rows(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM events")
    emptied = sqlite_rows(path)
    where = ["--only", "events", "--events", str(path)]
    code, said = site.run("restore", archive, *where)
    assert code == 1
    assert f"{path} contient déjà des données" in said
    assert sqlite_rows(path) == emptied
    assert site.run("restore", archive, *where, "--replace")[0] == 0
    assert sqlite_rows(path) == before


def test_nothing_is_written_when_one_place_is_taken(site: Site, tmp_path: Path) -> None:
    archive = site.make()
    elsewhere = tmp_path / "ailleurs"
    elsewhere.mkdir()
    (elsewhere / "keys.yaml").write_text("[]", encoding="utf-8")
    assert site.run("restore", archive, "--into", elsewhere)[0] == 1
    assert [path.name for path in elsewhere.iterdir()] == ["keys.yaml"]


def test_a_database_in_use_is_not_replaced(site: Site) -> None:
    archive = site.make()
    path = site.databases["warehouse"]
    with closing(sqlite3.connect(path, isolation_level=None)) as user:
        user.execute("BEGIN IMMEDIATE")
        code, said = site.run(
            "restore", archive, "--only", "warehouse", "--warehouse", path, "--replace"
        )
    assert code == 1
    assert "utilisé par un autre programme" in said


def files(archive: Path) -> list[Path]:
    return sorted(path for path in archive.rglob("*") if path.is_file())


def test_one_changed_byte_in_any_file_is_found_and_named(site: Site, tmp_path: Path) -> None:
    archive = site.make()
    assert site.run("check", archive)[0] == 0
    for path in files(archive):
        content = path.read_bytes()
        for at in {0, len(content) // 2, len(content) - 1}:
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            code, said = site.run("restore", archive, "--into", tmp_path / "ailleurs")
            assert code == 1
            assert path.name in said
        path.write_bytes(content)
    assert not (tmp_path / "ailleurs").exists()


def test_a_missing_and_a_surplus_file_are_named(site: Site) -> None:
    archive = site.make()
    for path in files(archive):
        content = path.read_bytes()
        path.unlink()
        code, said = site.run("check", archive)
        assert (code, path.name in said) == (1, True)
        path.write_bytes(content)
    (archive / "keys" / "intrus").write_text("x", encoding="utf-8")
    code, said = site.run("check", archive)
    assert (code, "intrus" in said) == (1, True)


def test_what_is_not_there_is_said_and_left_out(site: Site) -> None:
    Path(site.databases["warehouse"]).unlink()
    archive = site.make()
    assert not (archive / "warehouse").exists()
    code, said = site.run("restore", archive, "--only", "warehouse")
    assert code == 1
    assert "n'a pas « entrepôt »" in said


def test_a_damaged_database_is_no_backup(site: Site) -> None:
    path = Path(site.databases["events"])
    path.write_bytes(path.read_bytes()[:5000] + b"\0" * 8000)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    code, said = site.run("make", "--to", site.folder / "x", "--only", "events", "--events", path)
    assert code == 1
    assert "events.sqlite" in said
    assert not list((site.folder / "x").iterdir())


def test_the_last_archive_of_a_folder_can_be_asked_for(site: Site, tmp_path: Path) -> None:
    archive = site.make()
    shutil.copytree(archive, archive.with_name("camrail-20200101T000000Z"))
    code, said = site.run("check", archive.parent, "--latest")
    assert (code, said.splitlines()[0]) == (0, f"{archive} : archive intacte")
    assert site.run("check", tmp_path / "vide", "--latest")[0] == 1
    assert site.run("check", tmp_path / "vide")[0] == 1


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_only_the_owner_may_look_into_an_archive(site: Site) -> None:
    assert site.make().stat().st_mode & 0o077 == 0


def test_two_parts_in_one_database_are_saved_once(site: Site) -> None:
    site.databases["events"] = site.databases["warehouse"]
    archive = site.make()
    assert not (archive / "events").exists()


TABLES = """
CREATE TABLE {schema}.mesures (
    loco TEXT NOT NULL, instant TIMESTAMPTZ NOT NULL, v DOUBLE PRECISION, brut BYTEA,
    PRIMARY KEY (loco, instant)
) PARTITION BY RANGE (instant);
CREATE TABLE {schema}.mesures_1 PARTITION OF {schema}.mesures
    FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE {schema}.alertes (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, texte TEXT);
CREATE VIEW {schema}.v_alertes AS SELECT texte FROM {schema}.alertes;
CREATE FUNCTION {schema}.doublee(x INTEGER, y TEXT) RETURNS INTEGER LANGUAGE SQL AS 'SELECT 2 * x';
INSERT INTO {schema}.mesures
    SELECT 'L' || n % 3, TIMESTAMPTZ '2026-01-01' + n * INTERVAL '1 minute', n / 7.0, '\\x00ff'
    FROM generate_series(1, 2000) AS n;
INSERT INTO {schema}.alertes (texte) SELECT 'é' || n FROM generate_series(1, 50) AS n;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def databases(server: PostgresServer) -> tuple[str, str]:
    """Addresses of a filled database and of an empty one."""
    for name in ("pleine", "vide"):
        server.fresh_database(name)
    source, target = server.url("pleine"), server.url("vide")
    with psycopg.connect(source) as connection:
        connection.execute("CREATE SCHEMA rail")
        for schema in ("public", "rail"):
            connection.execute(TABLES.replace("{schema}", schema).encode())
    return source, target


def postgres_rows(url: str, schemas: Sequence[str] = ("public", "rail")) -> Rows:
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT format('%%I.%%I', table_schema, table_name) FROM information_schema.tables"
            " WHERE table_schema = ANY(%s) ORDER BY 1",
            (list(schemas),),
        ).fetchall()
        return {
            name: sorted(connection.execute(f"TABLE {name}".encode()).fetchall())
            for (name,) in names
        }


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    if any(binaries().glob("pg_dump*")):
        monkeypatch.setenv("PG_BIN", str(binaries()))


@pytest.mark.postgresql
def test_a_database_comes_back_in_another_row_by_row(
    site: Site, databases: tuple[str, str]
) -> None:
    source, target = databases
    site.databases = {"events": source}
    expected = postgres_rows(source)
    assert len(expected["rail.mesures"]) == 2000
    archive = site.make("--only", "events")
    code, said = site.run("restore", archive, "--events", target)
    assert code == 0, said
    assert postgres_rows(target) == expected
    with psycopg.connect(target) as connection:  # identities go on where they were
        connection.execute("INSERT INTO rail.alertes (texte) VALUES ('suite')")
        row = connection.execute("SELECT max(id) FROM rail.alertes").fetchone()
    assert row == (51,)


@pytest.mark.postgresql
def test_a_search_path_limits_a_backup_to_its_schema(
    site: Site, databases: tuple[str, str]
) -> None:
    source, target = databases
    path = "?options=-csearch_path%3Drail"
    site.databases = {"warehouse": source + path}
    archive = site.make("--only", "warehouse")
    with psycopg.connect(target) as connection:
        connection.execute("CREATE SCHEMA rail")
        connection.execute("CREATE TABLE public.autre (x INTEGER)")
    code, said = site.run("restore", archive, "--warehouse", target + path)
    assert code == 0, said
    assert postgres_rows(target, ["rail"]) == postgres_rows(source, ["rail"])
    assert list(postgres_rows(target, ["public"])) == ["public.autre"]


@pytest.mark.postgresql
def test_a_full_database_is_replaced_only_when_that_is_asked_for(
    site: Site, databases: tuple[str, str]
) -> None:
    source, _ = databases
    site.databases = {"events": source}
    expected = postgres_rows(source)
    archive = site.make("--only", "events")
    with psycopg.connect(source) as connection:
        connection.execute("DELETE FROM rail.alertes")
        connection.execute("CREATE TABLE rail.d_un_autre (x INTEGER)")
    assert site.run("restore", archive, "--events", source)[0] == 1
    assert postgres_rows(source)["rail.alertes"] == []
    code, said = site.run("restore", archive, "--events", source, "--replace")
    assert code == 0, said
    assert postgres_rows(source) == expected | {"rail.d_un_autre": []}


@pytest.mark.postgresql
def test_a_restoration_that_fails_leaves_the_database_as_it_was(
    site: Site, databases: tuple[str, str]
) -> None:
    source, target = databases
    site.databases = {"events": source}
    archive = site.make("--only", "events")
    with psycopg.connect(target) as connection:
        connection.execute("CREATE DOMAIN public.alertes AS TEXT")  # in the way of a table
    code, said = site.run("restore", archive, "--events", target)
    assert code == 1
    assert "psql" in said
    assert postgres_rows(target) == {}


@pytest.mark.postgresql
def test_an_archive_of_one_kind_does_not_go_into_the_other(
    site: Site, databases: tuple[str, str], tmp_path: Path
) -> None:
    archive = site.make()
    code, said = site.run("restore", archive, "--only", "events", "--events", databases[1])
    assert code == 1
    assert "sqlite" in said


def test_a_server_that_does_not_answer_is_named_without_its_password(site: Site) -> None:
    address = "postgresql://camrail:mot-secret@127.0.0.1:1/base"
    code, said = site.run("make", "--to", site.folder, "--only", "events", "--events", address)
    assert code == 1
    assert "127.0.0.1:1" in said
    assert "mot-secret" not in said


@pytest.mark.postgresql
def test_missing_programs_are_named(
    site: Site, databases: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    code, said = site.run("make", "--to", site.folder, "--only", "events", "--events", databases[0])
    assert code == 1
    assert "PG_BIN" in said
