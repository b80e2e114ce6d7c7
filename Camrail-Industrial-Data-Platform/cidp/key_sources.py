"""Where keys come from: API_KEY, API_KEYS, and a file that is read again when it changes."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from loguru import logger

from cidp.auth import DEMO_KEY, ApiKey, KeyRing
from cidp.errors import SettingsError
from cidp.files import write_whole
from cidp.pydantic_compat import TypeAdapter, ValidationError
from cidp.telemetry import field_errors

MIN_KEY_LENGTH = 16
"""Shortest API_KEY that may guard an address other machines can reach."""

LOOK_EVERY_S = 1.0
"""Longest time for which a revoked key is still accepted."""

_KEYS = TypeAdapter(tuple[ApiKey, ...])


def environment_keys(environ: Mapping[str, str], *, local: bool) -> tuple[ApiKey, ...]:
    """Return the keys of `API_KEYS` and `API_KEY`; raises `SettingsError`.

    The demonstration key counts as none.
    """
    listed = _parsed("API_KEYS", environ["API_KEYS"]) if environ.get("API_KEYS") else ()
    secret = environ.get("API_KEY", "").strip()
    if not secret or secret == DEMO_KEY:
        return listed
    if not local and len(secret) < MIN_KEY_LENGTH:
        raise SettingsError(
            f"API_KEY a {len(secret)} caractères : il en faut au moins {MIN_KEY_LENGTH} pour"
            " écouter hors de la boucle locale."
        )
    return (*listed, ApiKey.of("API_KEY", secret))


def demonstration_keys(*, local: bool) -> tuple[ApiKey, ...]:
    """Return the demonstration key; raises `SettingsError` where other machines could call."""
    if not local:
        raise SettingsError(
            "Aucune clé réelle : hors de la boucle locale, définissez API_KEY (au moins"
            f" {MIN_KEY_LENGTH} caractères), API_KEYS ou API_KEYS_FILE, ou revenez à"
            " API_HOST=127.0.0.1."
        )
    return (ApiKey.of("démonstration", DEMO_KEY, loopback_only=True),)


def check_distinct(keys: Sequence[ApiKey]) -> None:
    """Raise `SettingsError` when two keys share their id: the log could not tell them apart."""
    twice = [key_id for key_id, count in Counter(key.id for key in keys).items() if count > 1]
    if twice:
        raise SettingsError(f"Clés : l'identifiant « {twice[0]} » est donné plusieurs fois.")


def read_key_file(path: Path) -> tuple[ApiKey, ...]:
    """Read a YAML or JSON list of keys, which may be empty; raises `SettingsError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Fichier de clés {path.name} illisible.") from error
    keys = _parsed(f"Fichier de clés {path.name}", text)
    check_distinct(keys)
    return keys


def write_key_file(path: Path, keys: Sequence[ApiKey]) -> None:
    """Replace the file as a whole, in JSON if that is its suffix, else in YAML."""
    items = [key.model_dump(mode="json", exclude_defaults=True) for key in keys]
    if path.suffix == ".json":
        text = json.dumps(items, ensure_ascii=False, indent=2) + "\n"
    else:
        text = yaml.safe_dump(items, allow_unicode=True, sort_keys=False)
    write_whole(path, text.encode())


def _parsed(where: str, text: str) -> tuple[ApiKey, ...]:
    try:
        content: Any = yaml.safe_load(text)
        return _KEYS.validate_python([] if content is None else content)
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, ValidationError):
            details = "; ".join(f"{d['field']} : {d['message']}" for d in field_errors(error))
            raise SettingsError(f"{where} refusé : {details}.") from None
        raise SettingsError(f"{where} : YAML invalide.") from None


class LiveKeys:
    """The keys that are valid now: the `fixed` ones, and those of `file` as it stands.

    The file is looked at once per second at most, by the request that comes then. One that cannot
    be used is said once, and the keys that it last held stay valid.
    """

    def __init__(
        self,
        fixed: Sequence[ApiKey],
        file: Path | None,
        filed: Sequence[ApiKey],
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._fixed = tuple(fixed)
        self._file = file
        self._now = now
        self._clock = clock
        self._ring = KeyRing((*self._fixed, *filed), now)
        self._stamp: tuple[int, int, int] | None = None
        self._next_look_s = clock()
        self._looking = threading.Lock()

    def ring(self) -> KeyRing:
        """Return the keys that are valid now."""
        if self._file is not None and self._clock() >= self._next_look_s:
            self._look(self._file)
        return self._ring

    def _look(self, file: Path) -> None:
        if not self._looking.acquire(blocking=False):
            return  # another request looks at this instant
        try:
            self._next_look_s = self._clock() + LOOK_EVERY_S
            stamp = _stamp(file)
            if stamp != self._stamp:
                self._stamp = stamp
                self._reload(file)
        finally:
            self._looking.release()

    def _reload(self, file: Path) -> None:
        try:
            keys = (*self._fixed, *read_key_file(file))
            check_distinct(keys)
        except SettingsError as error:
            logger.error("{} Les clés lues auparavant restent valables.", error)
            return
        self._ring = KeyRing(keys, self._now)
        logger.info("{} clés connues, dont {} du fichier", len(keys), len(keys) - len(self._fixed))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Tell one state of a file from another; a replaced file has another inode."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
