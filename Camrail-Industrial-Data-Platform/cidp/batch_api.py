"""`POST /predict/batch`: many readings in one body, answered in kind; and `/predict`'s query."""

from typing import Final

from flask import Flask, Request, Response, request

from cidp import batch
from cidp.answers import Answer, JsonAnswer, error_answer
from cidp.assembly import Parts
from cidp.errors import BatchTooLong, FieldError, TelemetryRefused
from cidp.guard import Guard
from cidp.request_body import read_body

KINDS: Final = {
    batch.JSON: batch.read_json,
    batch.NDJSON: batch.read_ndjson,
    "application/ndjson": batch.read_ndjson,
    "application/jsonl": batch.read_ndjson,
    batch.CSV: batch.read_csv,
}

EXPLAIN, HYPOTHETICAL = "explain", "hypothetical"

NOTED_ROWS: Final = 500
"""Most readings of a batch, evenly spread over it, that count for the drift of the inputs."""


def flags_set(asked: Request, *known: str) -> set[str]:
    """Return which of the `known` parameters are 1; raises `TelemetryRefused` for anything else.

    A reading that is `hypothetical` is somebody's what-if: it counts in no metric, nor for drift.
    """
    if not asked.environ.get("QUERY_STRING"):
        return set()
    if asked.args.keys() - set(known):
        said = f"paramètre inconnu ; admis : {', '.join(known)}"
        raise TelemetryRefused([FieldError(field="query", message=said)])
    for name in known:
        wanted = asked.args.getlist(name)
        if any(value not in {"0", "1"} for value in wanted) or len(wanted) > 1:
            raise TelemetryRefused([FieldError(field=name, message="0 ou 1 attendu, une fois")])
    return {name for name in known if asked.args.get(name) == "1"}


def add_routes(app: Flask, parts: Parts, guarded: Guard) -> None:
    """Serve the batch route of `parts` to keys that may predict."""
    limits = parts.settings.api

    def predict_batch() -> Response:
        flags = flags_set(request, HYPOTHETICAL)
        kind = request.mimetype
        if kind not in KINDS:
            return error_answer(415, f"Corps attendu en {', '.join(KINDS)} (Content-Type).")
        raw = read_body(request, limits.batch_max_bytes)
        rows = KINDS[kind](raw, limits.batch_max_rows)
        scorer = parts.model.scorer(parts.settings.model.first_load_wait_s)
        scored = batch.score(rows, scorer)
        if HYPOTHETICAL not in flags:
            every = max(1, -(-scored.scored // NOTED_ROWS))
            for row in range(0, scored.scored, every):
                parts.recent.note(rows.values[row].tolist(), float(scored.risks[row]))
            parts.metrics.batch_answered(scored.scored, scored.critical, scored.refused)
        if kind == batch.JSON:
            return JsonAnswer(batch.write_json(scored, scorer), 200)
        if kind == batch.CSV:
            content = batch.write_csv(scored, batch.csv_delimiter(raw))
        else:
            content = batch.write_ndjson(scored)
        answer = Answer(content, content_type=kind)
        answer.headers["X-Model-Version"] = scorer.version
        return answer

    app.add_url_rule(
        "/predict/batch", view_func=guarded("predict", predict_batch), methods=["POST"]
    )
    app.register_error_handler(BatchTooLong, _too_long)


def _too_long(error: BatchTooLong) -> Response:
    return error_answer(413, str(error))
