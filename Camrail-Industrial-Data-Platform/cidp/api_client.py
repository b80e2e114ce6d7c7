"""The HTTP API as the dashboard sees it: typed answers, and one French sentence for each failure.

The errors of this border:

    ApiError
    ├── ApiUnreachable      nobody listens at the address
    ├── ApiTooSlow          somebody listens, and does not answer in time
    ├── KeyRefused          401 or 403
    ├── TooManyCalls        429: wrong keys, or the limit of a key
    ├── ModelMissing        503: no bundle can serve
    ├── ReadingRefused      400, with the fields at fault
    └── UnexpectedAnswer    anything that docs/openapi.yaml does not foresee
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, Self, TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from urllib3.exceptions import ReadTimeoutError

from cidp.auth import DEMO_KEY, is_loopback
from cidp.errors import CidpError

CONNECT_TIMEOUT_S = 1.0
READY_TIMEOUT_S = 1.2
PREDICT_TIMEOUT_S = 1.6


class ApiError(CidpError):
    """The API gave no usable answer; the title says what, the message what to do, in French."""

    title = "Réponse inutilisable"


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

    def __init__(self, status: int) -> None:
        super().__init__(
            f"L’API a refusé la clé du tableau de bord (HTTP {status}). Définissez pour le tableau "
            "de bord la variable API_KEY, avec une clé que l’API connaît et qui a le droit de "
            "prédire (API_KEYS_FILE ne suffit pas : ce fichier ne contient que des empreintes), "
            "puis redémarrez-le."
        )


class TooManyCalls(ApiError):
    """The API makes this address, or this key, wait."""

    title = "L’API demande d’attendre"

    def __init__(self, reason: str | None) -> None:
        said = f" L’API précise : {reason}" if reason else ""
        super().__init__(
            "Trop d’appels avec une clé refusée, ou plus que la limite fixée pour la clé. Vérifiez "
            "la variable API_KEY du tableau de bord et la limite de sa clé." + said
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


class ReadingRefused(ApiError):
    """The API refused the reading; `details` holds (field, message in French) pairs."""

    title = "Relevé refusé par l’API"

    def __init__(self, details: list[tuple[str, str]]) -> None:
        self.details = details
        super().__init__("Corrigez la valeur indiquée ; le résultat revient aussitôt.")


class UnexpectedAnswer(ApiError):
    """The answer does not follow the contract."""

    def __init__(self, url: str, what: str) -> None:
        super().__init__(
            f"Réponse inattendue à l’adresse {url} ({what}). Vérifiez qu’API_URL désigne bien "
            "l’API CAMRAIL et que l’API et le tableau de bord sont de la même version."
        )


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where the API is, and the key to show to it (None: no key is sent)."""

    url: str
    key: str | None = field(repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read API_URL, API_KEY and API_PORT; the demo key serves only an API on this machine."""
        url = environ.get("API_URL", "").strip().rstrip("/")
        url = url or f"http://127.0.0.1:{environ.get('API_PORT', '').strip() or 5000}"
        key = environ.get("API_KEY", "").strip()
        return cls(url, key or (DEMO_KEY if is_loopback(_host(url)) else None))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class UncheckedReading:
    """What an operator asks about, in L/min, bar, mm/s and °C; the API is the one that checks."""

    loco_id: str
    flow_rate: float
    pressure: float
    vibration: float
    temperature: float


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False, protected_namespaces=())


class Prediction(_Answer):
    """The risk of one reading; the probability and the threshold lie between 0 and 1."""

    critical_risk: Literal[0, 1]
    risk_probability: float = Field(ge=0, le=1)
    loco_id: str
    model_version: str
    threshold: float = Field(ge=0, le=1)
    warnings: tuple[str, ...]


class ModelState(_Answer):
    """Which model serves, or why none does."""

    status: Literal["loading", "serving", "missing"]
    version: str | None
    error: str | None


class StoreState(_Answer):
    """Whether events can be stored."""

    status: Literal["ok", "unavailable"]
    error: str | None


class SourceState(_Answer):
    """Through which door the newest event came, and how old it is."""

    mode: Literal["none", "http", "simulator", "kafka", "mqtt"]
    last_event_at: AwareDatetime | None
    last_event_age_seconds: float | None
    stale: bool


class Readiness(_Answer):
    """What /ready says of the model, the store and the source."""

    status: Literal["ready", "not_ready"]
    model: ModelState
    store: StoreState
    source: SourceState


AnswerT = TypeVar("AnswerT", bound=_Answer)


class _Detail(BaseModel):
    field: str
    message: str


class _Refusal(BaseModel):
    error: str
    message: str | None = None
    details: list[_Detail] = []


class ApiClient:
    """Calls of the dashboard to the API; each one answers or raises ApiError within 3 seconds."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._session = requests.Session()
        # The API is an inner part: neither a proxy nor a .netrc of the machine concerns it.
        self._session.trust_env = False

    def predict(self, reading: UncheckedReading) -> Prediction:
        """Score a reading; nothing is stored by the API."""
        response = self._send("POST", "/predict", PREDICT_TIMEOUT_S, asdict(reading))
        if response.status_code != requests.codes.ok:
            raise self._refusal(response)
        return self._parse(Prediction, response)

    def ready(self) -> Readiness:
        """State of the model, the store and the source, whether or not they can serve."""
        response = self._send("GET", "/ready", READY_TIMEOUT_S)
        if response.status_code not in (requests.codes.ok, requests.codes.service_unavailable):
            raise self._refusal(response)
        return self._parse(Readiness, response)

    def _send(
        self, method: str, path: str, read_timeout_s: float, body: object = None
    ) -> requests.Response:
        key = self._settings.key
        try:
            return self._session.request(
                method,
                self._settings.url + path,
                json=body,
                headers={"X-API-KEY": key.encode()} if key and body else None,
                timeout=(CONNECT_TIMEOUT_S, read_timeout_s),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            if _is_read_timeout(error):
                raise ApiTooSlow(self._settings.url, read_timeout_s) from error
            raise ApiUnreachable(self._settings.url) from error

    def _refusal(self, response: requests.Response) -> ApiError:
        """Translate a status other than success into the error that a person can act upon."""
        status = response.status_code
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            return KeyRefused(status)
        try:
            said = _Refusal.model_validate_json(response.content)
        except ValidationError:
            return UnexpectedAnswer(self._settings.url, f"HTTP {status}")
        if status == requests.codes.service_unavailable:
            return ModelMissing(said.message)
        if status == requests.codes.too_many_requests:
            return TooManyCalls(said.message)
        if status == requests.codes.bad_request:
            return ReadingRefused([(detail.field, detail.message) for detail in said.details])
        return UnexpectedAnswer(self._settings.url, f"HTTP {status} : {said.message or said.error}")

    def _parse(self, answer: type[AnswerT], response: requests.Response) -> AnswerT:
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            fields = ", ".join(sorted({str(e["loc"][0]) for e in error.errors() if e["loc"]}))
            what = f"champs illisibles : {fields}" if fields else "ce n’est pas du JSON"
            raise UnexpectedAnswer(self._settings.url, what) from error


def _is_read_timeout(error: requests.RequestException) -> bool:
    """Whether the headers, or the body after them, came too late."""
    cause = error.args[0] if error.args else None
    return isinstance(error, requests.ReadTimeout) or isinstance(cause, ReadTimeoutError)
