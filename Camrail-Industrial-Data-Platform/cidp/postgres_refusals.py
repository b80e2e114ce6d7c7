"""Why a PostgreSQL server that answers opens no connection, in French with the remedy."""

import re
from typing import Final

_BY_SENTENCE: Final = (
    (
        r'database "[^"]*" does not exist|la base de donn.es « .* » n.existe pas',
        "le serveur répond, mais n'a pas de base de ce nom : créez-la (createdb), ou corrigez son"
        " nom dans {setting}",
    ),
    (
        r'role "[^"]*" does not exist|le r.le « .* » n.existe pas'
        r"|authentication failed|authentification .*.chou.e|chec de l.authentification"
        r"|no password supplied",
        "le serveur répond, mais refuse ce compte : vérifiez l'utilisateur que nomme {setting}, et"
        " son mot de passe (PGPASSWORD)",
    ),
    (
        r"pg_hba\.conf|not permitted to log in|autoris. . se connecter"
        r"|permission denied for database|droit refus. pour la base",
        "le serveur répond, mais n'admet pas ce compte ici : demandez l'accès à son administrateur"
        " (pg_hba.conf, LOGIN, GRANT CONNECT), ou corrigez {setting}",
    ),
)
"""The driver gives no code when no connection opens; servers may well speak French."""


def connection_refusal(told: str, setting: str) -> str | None:
    """Say what the driver's message means; `setting` holds the address. None: something else."""
    for sentences, cause in _BY_SENTENCE:
        if re.search(sentences, told):
            return cause.format(setting=setting)
    return None
