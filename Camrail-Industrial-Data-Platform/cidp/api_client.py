"""The HTTP API as the dashboard calls it: typed answers, or one of the errors of `api_errors`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote, urlsplit

import requests
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pydantic import BaseModel, ValidationError
from urllib3.exceptions import ReadTimeoutError

from cidp.api_answers import (
    Alert,
    AlertPage,
    Answer,
    Batch,
    Fleet,
    Health,
    History,
    Job,
    Jobs,
    KeyHolder,
    Kpis,
    Machines,
    ModelCard,
    ModelVersions,
    Prediction,
    Promotion,
    Readiness,
    Rejects,
    Runs,
    Series,
    Volumes,
    WarehouseScope,
)
from cidp.api_errors import (
    ApiError,
    ApiTooSlow,
    ApiUnreachable,
    FieldsRefused,
    KeyRefused,
    ModelMissing,
    NotNow,
    NotThere,
    OwnKeyRefused,
    ReadingRefused,
    ServiceUnavailable,
    TooManyCalls,
    UnexpectedAnswer,
)
from cidp.auth import DEMO_KEY, is_loopback

CONNECT_TIMEOUT_S = 1.0
READY_TIMEOUT_S = 1.2
ANSWER_TIMEOUT_S = 1.6
FILE_TIMEOUT_S = 60.0
REPORT, REJECTS = "rapport_supply_chain.xlsx", "rejets_a_corriger.xlsx"

AlertVerb = Literal["acknowledge", "comment", "verdict", "close"]
Query = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where the API is, and the key to show to it (None: no key is sent).

    The key is `typed` by the person who signs in with it, or else the dashboard's own. `/ready` is
    waited for `ready_timeout_s`.
    """

    url: str = field(repr=False)
    key: str | None = field(repr=False)
    typed: bool = False
    ready_timeout_s: float = READY_TIMEOUT_S

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read API_URL, API_KEY and API_PORT; the demo key serves only an API on this machine."""
        url = environ.get("API_URL", "").strip().rstrip("/")
        url = url or f"http://127.0.0.1:{environ.get('API_PORT', '').strip() or 5000}"
        key = environ.get("API_KEY", "").strip()
        return cls(url, key or (DEMO_KEY if is_loopback(host_of(url)) else None))

    @property
    def shown_url(self) -> str:
        """The address without the account that it may hold."""
        return re.sub(r"//[^/?#]*@", "//", self.url)


def host_of(url: str) -> str:
    """Return the host that an address names, or nothing."""
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


def moved(reading: UncheckedReading, **values: float) -> UncheckedReading:
    """Return `reading` with some of its measures at other values."""
    return UncheckedReading(**{**asdict(reading), **values})


@dataclass(frozen=True, slots=True)
class WarehouseFilter:
    """Sites by name (none means all), first and last day, included (None: as far as known)."""

    sites: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None

    def query(self) -> dict[str, str]:
        """Return the parameters of `/warehouse/…`."""
        given = {"sites": ",".join(self.sites), "from": self.first, "to": self.last}
        return {name: str(value) for name, value in given.items() if value}

    def options(self) -> dict[str, Any]:
        """Return the same choice as options of a job that writes the report."""
        given = {"sites": list(self.sites), "first_day": self.first, "last_day": self.last}
        return {
            name: value if isinstance(value, list) else str(value)
            for name, value in given.items()
            if value
        }


AnswerT = TypeVar("AnswerT", bound=Answer)


class _Detail(BaseModel):
    field: str
    message: str


class _Refusal(BaseModel):
    error: str
    message: str | None = None
    details: list[_Detail] = []


class ApiClient:
    """Calls of the dashboard to the API.

    Each one answers or raises `ApiError` within 3 seconds; files alone may take a minute.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self._session = requests.Session()
        # The API is an inner part: neither a proxy nor a .netrc of the machine concerns it.
        self._session.trust_env = False

    def predict(self, reading: UncheckedReading) -> Prediction:
        """Score a what-if, with the reasons; the API stores it nowhere and counts it nowhere."""
        return self._post(Prediction, "/predict?explain=1&hypothetical=1", asdict(reading))

    def predict_many(self, readings: Sequence[UncheckedReading]) -> Batch:
        """Score what-ifs in their order; the API stores and counts them nowhere."""
        return self._post(
            Batch, "/predict/batch?hypothetical=1", [asdict(reading) for reading in readings]
        )

    def ready(self) -> Readiness:
        """State of the model, the store and the source, whether or not they can serve."""
        response = self._send("GET", "/ready", timeout_s=self.settings.ready_timeout_s, keyed=False)
        if response.status_code not in (requests.codes.ok, requests.codes.service_unavailable):
            raise self._refusal(response)
        return self._parse(Readiness, response)

    def version(self) -> str:
        """Version of the API."""
        return self._parse(Health, self._ok(self._send("GET", "/health", keyed=False))).version

    def whoami(self) -> KeyHolder:
        """Tell whose key this is, and what it may do."""
        return self._get(KeyHolder, "/whoami")

    def fleet(self) -> Fleet:
        """Newest reading of every locomotive."""
        return self._get(Fleet, "/fleet")

    def history(self, loco_id: str, series: Series, since: datetime, rows: int) -> History:
        """At most `rows` newest readings of a locomotive, from the aware instant `since` on."""
        query: Query = {"series": series, "from": since.isoformat(), "limit": rows}
        return self._get(History, f"/fleet/{quote(loco_id, safe='')}/history", query)

    def alerts(self, query: Query) -> AlertPage:
        """One page of alerts; the parameters are those of `GET /alerts`."""
        return self._get(AlertPage, "/alerts", query)

    def act_on_alert(self, alert_id: int, verb: AlertVerb, person: str, **body: object) -> Alert:
        """Acknowledge, comment (`text`), judge (`true_alarm`) or close an alert as `person`."""
        path = f"/alerts/{alert_id}/{verb}"
        return self._post(Alert, path, body or None, person=person)

    def jobs(self) -> Jobs:
        """The jobs that are remembered, and the kinds that may be asked for."""
        return self._get(Jobs, "/jobs")

    def job(self, job_id: str) -> Job:
        """One job, with its result and the end of its log."""
        return self._get(Job, f"/jobs/{job_id}")

    def start_job(self, kind: str, options: Mapping[str, Any], person: str) -> Job:
        """Start a job for `person`; raises `NotNow` when one of its kind is running."""
        body = {"kind": kind, "options": options, "on_behalf_of": person or None}
        return self._post(Job, "/jobs", body)

    def resubmit(self, name: str, workbook: bytes, person: str) -> Job:
        """Hand a corrected workbook of rejects back to the ETL, for `person`."""
        response = self._send(
            "POST",
            "/jobs",
            timeout_s=FILE_TIMEOUT_S,
            form={"kind": "etl-resubmit"} | ({"on_behalf_of": person} if person else {}),
            files={"workbook": (name, workbook)},
        )
        return self._parse(Job, self._ok(response))

    def cancel_job(self, job_id: str, person: str) -> Job:
        """Ask, as `person`, for a running job to be stopped."""
        return self._post(Job, f"/jobs/{job_id}/cancel", None, person)

    def workbook(self, name: str) -> bytes:
        """Download the report or the rejects, whole."""
        return self._ok(self._send("GET", f"/reports/{name}", timeout_s=FILE_TIMEOUT_S)).content

    def check_workbook(self, name: str) -> None:
        """Raise `NotThere` when there is nothing to download under this name."""
        if self._send("HEAD", f"/reports/{name}").status_code != requests.codes.ok:
            with self._translated(ANSWER_TIMEOUT_S):
                self._ok(self._send("GET", f"/reports/{name}", stream=True)).close()  # says why

    def warehouse_scope(self) -> WarehouseScope:
        """Every site, and the first and last day of the warehouse."""
        return self._get(WarehouseScope, "/warehouse/filters")

    def kpis(self, shown: WarehouseFilter) -> Kpis:
        """Key figures of what is shown, beside those of the days before."""
        return self._get(Kpis, "/warehouse/kpis", shown.query())

    def volumes(self, shown: WarehouseFilter) -> Volumes:
        """Volume, transactions and alerts by day and site."""
        return self._get(Volumes, "/warehouse/volumes", shown.query())

    def machines(self, shown: WarehouseFilter, top: int) -> Machines:
        """The machines with the highest share of errors."""
        return self._get(Machines, "/warehouse/machines", {**shown.query(), "top": top})

    def rejects(self) -> Rejects:
        """Open rejects by rule."""
        return self._get(Rejects, "/warehouse/rejects")

    def runs(self, count: int) -> Runs:
        """The last loads of the warehouse."""
        return self._get(Runs, "/warehouse/runs", {"limit": count})

    def model(self) -> ModelCard:
        """The card of the model that serves."""
        return self._get(ModelCard, "/model")

    def models(self) -> ModelVersions:
        """The versions of the registry."""
        return self._get(ModelVersions, "/models")

    def promote(self, version: str, person: str) -> Promotion:
        """Have a version serve, as `person`; raises `NotNow` when its bundle is refused."""
        return self._post(Promotion, f"/models/{quote(version, safe='')}/promote", None, person)

    def metric(self, name: str) -> dict[str, float]:
        """Samples of one Prometheus gauge, by the value of their only label ("" without one)."""
        return {next(iter(one.labels.values()), ""): one.value for one in self.samples(name)}

    def samples(self, *names: str) -> list[Sample]:
        """Samples of some Prometheus gauges, of one scrape."""
        text = self._ok(self._send("GET", "/metrics")).text
        return [
            sample
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name in names
        ]

    def _get(self, answer: type[AnswerT], path: str, query: Query | None = None) -> AnswerT:
        return self._parse(answer, self._ok(self._send("GET", path, query=query)))

    def _post(self, answer: type[AnswerT], path: str, body: object, person: str = "") -> AnswerT:
        response = self._send("POST", path, body=body, person=person)
        return self._parse(answer, self._ok(response))

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        person: str = "",
        timeout_s: float = ANSWER_TIMEOUT_S,
        keyed: bool = True,
        stream: bool = False,
    ) -> requests.Response:
        key = self.settings.key if keyed else None
        headers: dict[str, str | bytes | None] = {
            "X-API-KEY": key.encode() if key else None,
            "X-Operator": quote(person, safe=" .,'@") or None,  # nothing else than ASCII arrives
        }
        with self._translated(timeout_s):
            return self._session.request(
                method,
                self.settings.url + path,
                params=query,
                json=body,
                data=form,
                files=files,
                headers=headers,
                timeout=(CONNECT_TIMEOUT_S, timeout_s),
                allow_redirects=False,
                stream=stream,
            )

    @contextmanager
    def _translated(self, timeout_s: float) -> Iterator[None]:
        """Raise the error that a person can act upon in place of the library's."""
        try:
            yield
        except requests.RequestException as error:
            if _is_read_timeout(error):
                raise ApiTooSlow(self.settings.shown_url, timeout_s) from error
            raise ApiUnreachable(self.settings.shown_url) from error

    def _ok(self, response: requests.Response) -> requests.Response:
        if response.status_code not in (requests.codes.ok, requests.codes.accepted):
            raise self._refusal(response)
        return response

    def _refusal(self, response: requests.Response) -> ApiError:
        """Translate a status other than success into the error that a person can act upon."""
        status = response.status_code
        try:
            said = _Refusal.model_validate_json(response.content)
        except ValidationError:
            said = None
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            refused = OwnKeyRefused if self.settings.typed else KeyRefused
            return refused(status, said.message if said else None)
        if said is None:
            return UnexpectedAnswer(self.settings.shown_url, f"HTTP {status}")
        return self._explained(urlsplit(response.url).path, status, said)

    def _explained(self, path: str, status: int, said: _Refusal) -> ApiError:
        scoring = path.startswith("/predict")
        reason = said.message or said.error
        if status == requests.codes.service_unavailable:
            needs_model = scoring or path == "/model"
            return ModelMissing(said.message) if needs_model else ServiceUnavailable(reason)
        if status == requests.codes.too_many_requests:
            return TooManyCalls(said.message)
        if status == requests.codes.bad_request:
            details = [(detail.field, detail.message) for detail in said.details]
            return ReadingRefused(details) if scoring else FieldsRefused(details)
        if status == requests.codes.conflict:
            return NotNow(reason)
        if status == requests.codes.not_found and said.message and not scoring:
            return NotThere(reason)
        return UnexpectedAnswer(self.settings.shown_url, f"HTTP {status} : {reason}")

    def _parse(self, answer: type[AnswerT], response: requests.Response) -> AnswerT:
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            fields = ", ".join(sorted({str(e["loc"][0]) for e in error.errors() if e["loc"]}))
            what = f"champs illisibles : {fields}" if fields else "ce n’est pas du JSON"
            raise UnexpectedAnswer(self.settings.shown_url, what) from error


def _is_read_timeout(error: requests.RequestException) -> bool:
    """Whether the headers, or the body after them, came too late."""
    cause = error.args[0] if error.args else None
    return isinstance(error, requests.ReadTimeout) or isinstance(cause, ReadTimeoutError)
