"""`GET /whoami`: whose key it is, and what it may do."""

from flask import Flask, Response

from cidp.answers import json_answer
from cidp.auth import ALL_SCOPES
from cidp.guard import Guard, holder


def add_routes(app: Flask, guarded: Guard) -> None:
    """Add the route, for every key that counts."""

    def whoami() -> Response:
        key = holder()
        return json_answer({"id": key.id, "scopes": list(key.scopes)})

    app.add_url_rule("/whoami", view_func=guarded(ALL_SCOPES[0], whoami, *ALL_SCOPES))
