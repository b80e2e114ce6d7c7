"""What PostgreSQL's refusals mean for the user, in French: causes and remedies."""

import re
from typing import Final

from dpa.errors import WarehouseError, WarehouseLocked

Refusal = tuple[type[WarehouseError], str]

_LOCKED: Final[Refusal] = (
    WarehouseLocked,
    "l'entrepôt est verrouillé par un autre programme ; attendez la fin de l'autre chargement et "
    "relancez.",
)
_READ_ONLY: Final[Refusal] = (
    WarehouseError,
    "ce serveur ou ce compte n'accepte que la lecture ; donnez dans --dwh un compte qui écrit.",
)
_STOPPED: Final[Refusal] = (
    WarehouseError,
    "le serveur démarre, s'arrête ou vient de s'arrêter ; relancez quand il fonctionne.",
)
_DENIED: Final[Refusal] = (
    WarehouseError,
    "droits insuffisants ; ce compte doit pouvoir créer des tables et y écrire : demandez-le à "
    "l'administrateur de la base.",
)

_BY_CODE: Final[dict[str, Refusal]] = {
    "55P03": _LOCKED,
    "40P01": _LOCKED,
    "53100": (WarehouseError, "le disque du serveur est plein ; libérez de la place et relancez."),
    "42501": _DENIED,
    "25006": _READ_ONLY,
    "57P01": _STOPPED,
    "57P02": _STOPPED,
    "57P03": _STOPPED,
    "23505": (
        WarehouseError,
        "un identifiant se répète là où il doit être unique ; gardez le journal et signalez-le.",
    ),
    "XX001": (WarehouseError, "l'entrepôt est abîmé ; restaurez sa dernière sauvegarde."),
}
"""SQLSTATE codes."""

_BY_SENTENCE: Final[tuple[tuple[str, str], ...]] = (
    (
        "could not translate host name|could not parse network address",
        "hôte inconnu ; vérifiez le nom du serveur dans l'adresse (--dwh), et le réseau.",
    ),
    (
        "Connection refused",
        "aucun serveur n'écoute à cet hôte et ce port ; vérifiez l'adresse (--dwh), et que "
        "PostgreSQL est démarré et accepte les connexions du réseau.",
    ),
    (
        "timeout expired|timed out|No route to host|Network is unreachable",
        "le serveur ne répond pas dans le délai ; vérifiez l'hôte et le port (--dwh), le réseau et "
        "le pare-feu.",
    ),
    (
        "no password supplied",
        "un mot de passe est demandé ; donnez-le par la variable PGPASSWORD ou un fichier .pgpass.",
    ),
    (
        r"password authentication failed|authentification par mot de passe .chou.e",
        "mot de passe ou compte refusé ; vérifiez le compte de l'adresse (--dwh), et le mot de "
        "passe de PGPASSWORD, du fichier .pgpass ou de l'adresse.",
    ),
    (
        r'role "[^"]*" does not exist|le r.le « .* » n.existe pas',
        "compte inconnu du serveur ; vérifiez l'utilisateur de l'adresse (--dwh), ou faites créer "
        "le compte.",
    ),
    (
        r'database "[^"]*" does not exist|la base de donn.es « .* » n.existe pas',
        "base inconnue du serveur ; vérifiez son nom dans l'adresse (--dwh), ou créez-la "
        "(createdb).",
    ),
    (
        "permission denied for database|droit refus. pour la base",
        "ce compte n'a pas le droit d'ouvrir cette base ; demandez-le à l'administrateur "
        "(GRANT CONNECT).",
    ),
    (
        r"pg_hba\.conf",
        "le serveur n'admet pas ce compte depuis cette machine (pg_hba.conf) ; demandez "
        "l'autorisation à l'administrateur, ou vérifiez sslmode.",
    ),
    (
        "too many clients|too many connections|remaining connection slots|trop de clients",
        "le serveur a toutes ses connexions occupées ; relancez plus tard.",
    ),
    (
        r"(?i)\bssl\b|certificat",
        "la liaison chiffrée ne s'établit pas ; vérifiez sslmode et sslrootcert dans l'adresse "
        "(--dwh).",
    ),
    (
        "server closed the connection|Connection reset|terminating connection|no connection to the"
        "|connection to server was lost|SSL SYSCALL|could not receive data|could not send data"
        "|connexion au serveur",
        "la connexion au serveur s'est rompue ; relancez quand il fonctionne.",
    ),
    (
        "starting up|shutting down|in recovery mode|se lance|s'arr.te|en mode de r.cup.ration",
        _STOPPED[1],
    ),
)
"""What a failed connection says, the driver giving no code; servers may well speak French."""


def refusal(told: str, sqlstate: str | None) -> WarehouseError:
    """Say what the driver's message means; its own words are for the log, not for the user."""
    if sqlstate in _BY_CODE:
        kind, cause = _BY_CODE[sqlstate]
        return kind(cause)
    for sentences, cause in _BY_SENTENCE:
        if re.search(sentences, told):
            return WarehouseError(cause)
    code = f" (code {sqlstate}{_named(told, sqlstate)})" if sqlstate else ""
    return WarehouseError(
        f"le serveur PostgreSQL a refusé{code} ; son message est dans le journal : montrez-le à "
        "l'administrateur de la base."
    )


def _named(told: str, sqlstate: str) -> str:
    """Name the tables and constraints of the message; only these two classes quote no values."""
    names = re.findall(r'["«]\s*(\w+)\s*["»]', told) if sqlstate[:2] in ("23", "42") else []
    return f" : {', '.join(names)}" if names else ""
