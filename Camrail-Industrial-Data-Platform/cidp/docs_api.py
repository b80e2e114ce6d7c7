"""The contract of the API at `/openapi.json`, and a page to read and try it at `/docs`, offline."""

from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

import orjson
import yaml
from flask import Flask, Response

from cidp.answers import Answer, JsonAnswer, error_answer
from cidp.settings import service_path

START: Final = "start.js"
ASSETS: Final = {
    START: "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
"""What the page loads: our script, and Swagger UI, which flask-swagger-ui ships in its wheel."""

_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_PAGE: Final = """<!doctype html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>CAMRAIL : API de prédiction</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="contract"><p>Cette page a besoin de JavaScript ; le contrat brut est à
<a href="openapi.json">openapi.json</a>.</p></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""


@cache
def contract() -> dict[str, Any]:
    """Return `docs/openapi.yaml`; raises `OSError` where it is not installed."""
    text = service_path("../docs/openapi.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def add_routes(app: Flask) -> None:
    """Serve the contract and its page, free of key: they say what is public."""

    def openapi() -> Response:
        try:
            return JsonAnswer(orjson.dumps(contract()), HTTPStatus.OK)
        except OSError:
            return error_answer(404, "docs/openapi.yaml manque à cette installation.")

    def home() -> Response:
        return Answer(status=HTTPStatus.FOUND, headers={"Location": "docs"})

    def page() -> Response:
        return _with_policy(Answer(_PAGE, content_type="text/html; charset=utf-8"))

    def asset(name: str) -> Response:
        if name not in ASSETS:
            return error_answer(404, "Cette page n'a pas ce fichier.")
        package, folder = ("cidp", "web") if name == START else ("flask_swagger_ui", "dist")
        content = files(package).joinpath(folder, name).read_bytes()
        return Answer(content, content_type=ASSETS[name])

    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/openapi.json", view_func=openapi)
    app.add_url_rule("/docs", view_func=page)
    app.add_url_rule("/docs/<name>", view_func=asset)


def _with_policy(answer: Answer) -> Answer:
    answer.headers["Content-Security-Policy"] = _POLICY
    return answer
