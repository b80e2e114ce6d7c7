"""The endpoints of `/warehouse`: the aggregates that the logistics page shows, read only."""

from collections.abc import Callable, Collection
from datetime import date
from typing import Any

from flask import Flask, Response, request
from loguru import logger

from cidp import warehouse_figures as figures
from cidp.answers import error_answer, json_answer
from cidp.assembly import Parts
from cidp.civil_day import parse_day
from cidp.errors import FieldError, RequestRefused, WarehouseError
from cidp.guard import Guard
from cidp.settings import EtlSettings
from cidp.warehouse import Query, reading
from cidp.warehouse_figures import Asked, Scope

MAX_SITES = 50
MAX_TOP = 200
DEFAULT_TOP = 10
MAX_RUNS = 200
DEFAULT_RUNS = 20
RETRY_AFTER_S = "5"
_FILTERS = frozenset({"sites", "from", "to"})

Figures = Callable[[Query, Scope], dict[str, Any]]


def add_routes(app: Flask, parts: Parts, guarded: Guard) -> None:
    """Add the endpoints to the application."""
    warehouse = _Endpoints(parts.settings.etl)
    for name in ("filters", "kpis", "volumes", "alerts", "machines", "rejects", "runs"):
        view = guarded("read", getattr(warehouse, name))
        app.add_url_rule(f"/warehouse/{name}", f"warehouse_{name}", view)
    app.register_error_handler(WarehouseError, _unavailable)


class _Endpoints:
    def __init__(self, etl: EtlSettings) -> None:
        self._etl = etl

    def filters(self) -> Response:
        _parameters(())

        def found(query: Query) -> dict[str, Any]:
            known = figures.scope_of(query, Asked()).as_json()
            return known | {"sites": figures.site_names(query)}

        return self._read(found)

    def kpis(self) -> Response:
        return self._filtered(figures.kpis)

    def volumes(self) -> Response:
        return self._filtered(lambda query, scope: {"volumes": figures.volumes(query, scope)})

    def alerts(self) -> Response:
        return self._filtered(lambda query, scope: {"alerts": figures.alerts(query, scope)})

    def machines(self) -> Response:
        top = _whole("top", DEFAULT_TOP, MAX_TOP)
        return self._filtered(
            lambda query, scope: {"machines": figures.machines(query, scope, top)}, "top"
        )

    def rejects(self) -> Response:
        _parameters(())
        return self._read(lambda query: {"rejects": figures.open_rejects(query)})

    def runs(self) -> Response:
        _parameters({"limit"})
        limit = _whole("limit", DEFAULT_RUNS, MAX_RUNS)
        return self._read(lambda query: {"runs": figures.runs(query, limit)})

    def _filtered(self, found: Figures, *others: str) -> Response:
        """Answer with what `found` reads within the filters of the request."""
        given = _parameters(_FILTERS | set(others))
        asked = Asked(_sites(given.get("sites")), _day("from", given), _day("to", given))
        if asked.first and asked.last and asked.first > asked.last:
            raise _refused("to", "ce jour précède « from »")

        def within(query: Query) -> dict[str, Any]:
            scope = figures.scope_of(query, asked)
            return {"filters": scope.as_json(), **found(query, scope)}

        return self._read(within)

    def _read(self, found: Callable[[Query], dict[str, Any]]) -> Response:
        with reading(self._etl.warehouse(), self._etl.read_timeout_s) as query:
            return json_answer(found(query))


def _parameters(known: Collection[str]) -> dict[str, str]:
    """Return the parameters of the request, each one known and given once."""
    for name, values in request.args.lists():
        if name not in known:
            listed = ", ".join(sorted(known)) or "aucun"
            raise _refused("query", f"paramètre inconnu ; admis : {listed}")
        if len(values) > 1:
            raise _refused(name, "paramètre donné plusieurs fois")
    return request.args.to_dict()


def _sites(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    sites = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(sites) or len(sites) > MAX_SITES:
        raise _refused("sites", f"de 1 à {MAX_SITES} noms de site, séparés par des virgules")
    return sites


def _day(name: str, given: dict[str, str]) -> date | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        return parse_day(text)
    except ValueError:
        raise _refused(name, "jour qui existe attendu, AAAA-MM-JJ") from None


def _whole(name: str, default: int, most: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
        raise _refused(name, f"un entier de 1 à {most} est attendu")
    return int(text)


def _refused(field: str, message: str) -> RequestRefused:
    return RequestRefused([FieldError(field=field, message=message)])


def _unavailable(error: WarehouseError) -> Response:
    logger.warning("{} refusé : {}", request.path, error)
    answer = error_answer(503, str(error))
    answer.headers["Retry-After"] = RETRY_AFTER_S
    return answer
