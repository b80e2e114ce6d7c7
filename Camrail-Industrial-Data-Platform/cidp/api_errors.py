"""Why the API gave the dashboard no usable answer, each cause with its own French sentence.

ApiError
├── ApiUnreachable      nobody listens at the address
├── ApiTooSlow          somebody listens, and does not answer in time
├── KeyRefused          401 or 403
│   └── OwnKeyRefused   the same, of the key with which a person has signed in
├── UnknownKey          the same, of a key that a person has just typed
├── TooManyCalls        429: wrong keys, or the limit of a key
├── ModelMissing        503 of what needs a model: no bundle can serve
├── ServiceUnavailable  503 of anything else: the store, the warehouse, the jobs
├── NotThere            404, with the reason of the API
├── NotNow              409, with the reason of the API
├── FieldsRefused       400, with the fields at fault
│   └── ReadingRefused  the same, of a reading to score
└── UnexpectedAnswer    anything that docs/openapi.yaml does not foresee
"""

from http import HTTPStatus

from cidp.errors import CidpError


class ApiError(CidpError):
    """The API gave no usable answer; the title says what, the message what to do, in French."""

    title = "Réponse inutilisable"
    heals = True
    """Whether asking again, with nothing changed by the person, may give another answer."""


class ApiUnreachable(ApiError):
    """No connection to the API."""

    title = "API injoignable"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"Aucune réponse à l’adresse {url}. Démarrez l’API avec « python api/api.py » ou la "
            "plateforme entière avec « python run_platform.py » ; si elle tourne ailleurs, "
            "indiquez son adresse dans la variable API_URL. "
            "Cette page reprend d’elle-même dès que l’API répond."
        )


class ApiTooSlow(ApiError):
    """Connected, without an answer in time."""

    title = "API trop lente"

    def __init__(self, url: str, timeout_s: float) -> None:
        limit = f"{timeout_s:.1f}".replace(".", ",")
        super().__init__(
            f"L’API à l’adresse {url} n’a pas répondu en {limit} s. Attendez la fin d’un "
            "démarrage ou d’une charge passagère ; si cela dure, consultez son journal dans le "
            "dossier logs puis redémarrez-la. Cette page réessaie d’elle-même."
        )


class KeyRefused(ApiError):
    """The key is missing, unknown, or lacks the scope."""

    title = "Clé refusée par l’API"
    heals = False

    def __init__(self, status: int, reason: str | None = None) -> None:
        said = f" L’API précise : {reason}" if reason else ""
        super().__init__(self.remedy(status) + said)

    def remedy(self, status: int) -> str:
        """Say whose key was refused, and what to do about it."""
        return (
            f"L’API a refusé la clé du tableau de bord (HTTP {status}). Définissez pour le tableau "
            "de bord la variable API_KEY, avec une clé que l’API connaît et qui a le droit voulu, "
            "de prédire ou de lire (API_KEYS_FILE ne suffit pas : ce fichier ne contient que des "
            "empreintes), puis redémarrez-le."
        )


class OwnKeyRefused(KeyRefused):
    """The key with which a person has signed in counts no more, or lacks the scope."""

    title = "Votre clé est refusée par l’API"

    def remedy(self, status: int) -> str:
        """Say why, and how to sign in again."""
        if status == HTTPStatus.FORBIDDEN:
            return (
                "La clé avec laquelle vous êtes connecté n’a pas le droit voulu. Demandez-le à qui "
                "administre la plateforme."
            )
        return (
            "La clé avec laquelle vous êtes connecté ne vaut plus : elle a expiré ou a été "
            "révoquée. Demandez-en une autre à qui administre la plateforme, puis « Se "
            "déconnecter », en haut de la page, et connectez-vous avec elle."
        )


class UnknownKey(ApiError):
    """The key with which a person signs in is none of the API's."""

    title = "Clé inconnue de l’API"
    heals = False

    def __init__(self) -> None:
        super().__init__(
            "Vérifiez que la clé est copiée en entier. Si elle l’est, elle a expiré, a été "
            "révoquée, ou vient d’une autre plateforme : demandez-en une à qui administre celle-ci."
        )


class TooManyCalls(ApiError):
    """The API makes this address, or this key, wait."""

    title = "L’API demande d’attendre"

    def __init__(self, reason: str | None) -> None:
        said = f" L’API précise : {reason}" if reason else ""
        super().__init__(
            "Trop d’appels avec une clé refusée, ou plus que la limite fixée pour la clé. Vérifiez "
            "la clé, celle qui vient d’être saisie ou la variable API_KEY du tableau de bord, et "
            "sa limite." + said
        )


class ModelMissing(ApiError):
    """The API is up and has no model to score with."""

    title = "Aucun modèle en service"

    def __init__(self, reason: str | None = None) -> None:
        said = f" L’API précise : {reason}" if reason else ""
        super().__init__(
            "L’API répond, mais aucun modèle ne peut calculer le risque. Créez-en un avec "
            "« python bootstrap_local.py » ; la page reprend dès qu’il est chargé." + said
        )


class ServiceUnavailable(ApiError):
    """The API is up, and the part that it would have asked is not."""

    title = "Service indisponible"

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason} Cette page réessaie d’elle-même.")


class NotThere(ApiError):
    """What was asked for does not exist, or not yet."""

    title = "Introuvable"
    heals = False


class NotNow(ApiError):
    """The state of things forbids it: closed already, running already, refused version."""

    title = "Impossible maintenant"
    heals = False


class FieldsRefused(ApiError):
    """The API refused a request; `details` holds (field, message in French) pairs."""

    title = "Demande refusée par l’API"
    remedy = "Corrigez ce qui suit, puis recommencez."
    heals = False

    def __init__(self, details: list[tuple[str, str]]) -> None:
        self.details = details
        super().__init__(self.remedy)


class ReadingRefused(FieldsRefused):
    """The API refused the reading."""

    title = "Relevé refusé par l’API"
    remedy = "Corrigez la valeur indiquée ; le résultat revient aussitôt."


class UnexpectedAnswer(ApiError):
    """The answer does not follow the contract."""

    def __init__(self, url: str, what: str) -> None:
        super().__init__(
            f"Réponse inattendue à l’adresse {url} ({what}). Vérifiez qu’API_URL désigne bien "
            "l’API CAMRAIL et que l’API et le tableau de bord sont de la même version."
        )
