"""The places that a backup saves and restores: databases, the model registry, the key file."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from cidp.backup_archive import Kind
from cidp.errors import BackupError, BundleRefused, ModelError
from cidp.files import write_whole
from cidp.model_bundle import PICKLE_FILE, checked_bytes
from cidp.registry import INSTANT, TREND, Registry
from cidp.store_url import StoreUrl

_SIDECARS = ("-wal", "-shm", "-journal")
_SQLITE_FILE, _DUMP_FILE, _KEYS_FILE = "base.sqlite", "base.dump", "cles"


class Place(Protocol):
    """Somewhere that data live, and how they go to and come from the folder of an archive.

    `save` and `restore` raise `BackupError`; a restoration happens whole or not at all.
    """

    kind: Kind

    def is_empty(self) -> bool:
        """Tell whether there is nothing to save, or to overwrite."""
        ...

    def save(self, folder: Path) -> None:
        """Write one consistent state into `folder`."""
        ...

    def restore(self, folder: Path) -> None:
        """Put what `folder` holds in place of whatever is there."""
        ...


class _FilePlace:
    """A place that is one path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def is_empty(self) -> bool:
        """Tell whether nothing is at the path."""
        return not self._path.exists()


class SqlitePlace(_FilePlace):
    """A SQLite file, copied by the database itself while others use it."""

    kind: Kind = "sqlite"

    def save(self, folder: Path) -> None:
        copy = folder / _SQLITE_FILE
        try:
            # Not mode=ro: a program that was killed leaves a journal, which must be undone.
            address = f"{self._path.absolute().as_uri()}?mode=rw"
            with (
                closing(sqlite3.connect(address, uri=True)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
                target.execute("PRAGMA journal_mode = DELETE")
                found = target.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.Error as error:
            raise BackupError(f"{self._path} ne peut pas être sauvegardé ({error}).") from error
        if found != "ok":
            raise BackupError(f"{self._path} est abîmé ({found}) : restaurez sa dernière copie.")

    def restore(self, folder: Path) -> None:
        with _written(self._path):
            self._refuse_use()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_name(f".{self._path.name}.restauration")
            shutil.copyfile(folder / _SQLITE_FILE, draft)
            for suffix in _SIDECARS:  # those of the former file would spoil the new one
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            draft.replace(self._path)

    def _refuse_use(self) -> None:
        """Raise `BackupError` when another program writes the file that is to be replaced."""
        if self.is_empty():
            return
        try:
            with closing(sqlite3.connect(self._path, timeout=0, isolation_level=None)) as held:
                held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise BackupError(
                f"{self._path} est utilisé par un autre programme : arrêtez-le, puis relancez."
            ) from error
        except sqlite3.DatabaseError:
            return  # damaged, which is why it is replaced


class PostgresPlace:
    """The schemas of a PostgreSQL database, by its own pg_dump and pg_restore."""

    kind: Kind = "postgresql"

    def __init__(self, url: StoreUrl) -> None:
        self._url = url

    def __str__(self) -> str:
        return str(self._url)

    def is_empty(self) -> bool:
        from cidp import postgres_tools  # slow to import, and not needed on SQLite

        return not postgres_tools.relations(self._url)

    def save(self, folder: Path) -> None:
        from cidp import postgres_tools

        postgres_tools.dump(self._url, folder / _DUMP_FILE)

    def restore(self, folder: Path) -> None:
        from cidp import postgres_tools

        postgres_tools.restore(self._url, folder / _DUMP_FILE, replace=not self.is_empty())


class RegistryPlace(_FilePlace):
    """The registry: every version and the pointer to the promoted one.

    The pickle of the promoted version is not saved twice: it is put in its place again.
    """

    kind: Kind = "folder"

    def is_empty(self) -> bool:
        return not self._path.exists() or not any(self._path.iterdir())

    def faults(self) -> list[str]:
        """Name the versions whose files are not those of their manifest: saved as they are."""
        registry = Registry(self._path)
        found = []
        for slot in (INSTANT, TREND):
            for version in registry.versions(slot):
                try:
                    manifest = registry.manifest(version, slot)
                    for name in manifest.files:
                        checked_bytes(registry.bundles_of(slot) / version, manifest, name)
                except BundleRefused as error:
                    found.append(str(error))
        return found

    def save(self, folder: Path) -> None:
        latest = Registry(self._path).latest_pickle

        def left_out(where: str, names: list[str]) -> set[str]:
            drafts = {name for name in names if name.startswith(".")}
            return drafts | ({latest.name} if Path(where) == self._path else set())

        with _written(folder):
            # The pointer first: a version that it names never goes before it is replaced.
            pointers = list(self._path.glob("*.json"))
            for pointer in pointers:
                shutil.copyfile(pointer, folder / pointer.name)
            kept = {pointer.name: (folder / pointer.name).read_bytes() for pointer in pointers}
            shutil.copytree(self._path, folder, ignore=left_out, dirs_exist_ok=True)
            for name, content in kept.items():
                (folder / name).write_bytes(content)

    def restore(self, folder: Path) -> None:
        draft = self._path.with_name(f".{self._path.name}.restauration")
        former = self._path.with_name(f".{self._path.name}.avant")
        with _written(self._path):
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(folder, draft)
            _put_pickle_back(Registry(draft))
            shutil.rmtree(former, ignore_errors=True)
            if self._path.exists():
                self._path.rename(former)
            draft.rename(self._path)
            shutil.rmtree(former, ignore_errors=True)


def _put_pickle_back(registry: Registry) -> None:
    try:
        version = registry.promoted_version()
    except ModelError:
        return  # nothing was promoted
    pickled = registry.bundles / version / PICKLE_FILE
    if pickled.is_file():
        shutil.copyfile(pickled, registry.latest_pickle)


class KeysPlace(_FilePlace):
    """The key file, which holds digests only."""

    kind: Kind = "file"

    def save(self, folder: Path) -> None:
        with _written(folder):
            shutil.copyfile(self._path, folder / _KEYS_FILE)

    def restore(self, folder: Path) -> None:
        with _written(self._path):
            write_whole(self._path, (folder / _KEYS_FILE).read_bytes())


def database_place(url: StoreUrl) -> Place:
    """Return the place of a database of either kind."""
    return SqlitePlace(url.path) if url.kind == "sqlite" else PostgresPlace(url)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(f"{path} ne peut pas être écrit ({error}).") from error
