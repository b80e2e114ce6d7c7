"""A commit whose answer never came: PostgreSQL is asked afterwards what became of it."""

import time
from collections.abc import Callable
from typing import Final

from adbc_driver_manager import Error
from loguru import logger

from dpa.database import Database
from dpa.errors import OutcomeUnknown

PATIENCE_S: Final = 20.0
_PAUSE_S: Final = 0.25
_HOW_TO_CHECK: Final = (
    'Pour le savoir, quand le serveur répond : SELECT "Lot" FROM v_lots WHERE "Lot" = \'{run_id}\' '
    "rend une ligne si le lot est chargé, aucune sinon. Relancer la même commande est sûr dans les "
    "deux cas : ce qui est déjà chargé compte comme doublon."
)


def was_committed(connect: Callable[[], Database], run_id: str) -> bool:
    """Tell whether the warehouse holds the run; wait for a server that starts again.

    The lock that every load takes is taken first: as long as another session has it, the commit may
    still be under way. Raises OutcomeUnknown when the server does not answer in time.
    """
    logger.warning("Connexion rompue pendant la validation du lot {} : vérification…", run_id)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _holds(connect(), run_id)
        except Error as error:
            if time.monotonic() > deadline:
                raise OutcomeUnknown(
                    "la connexion s'est rompue pendant la validation et le serveur ne répond "
                    f"plus : on ne sait pas si le lot {run_id} est chargé. "
                    + _HOW_TO_CHECK.format(run_id=run_id),
                    run_id,
                ) from error
            time.sleep(_PAUSE_S)


def _holds(database: Database, run_id: str) -> bool:
    try:
        database.begin_writing()
        tables = database.schema_version()
        return bool(tables and database.rows("SELECT 1 FROM dim_lot WHERE run_id = ?", run_id))
    finally:
        database.close()
