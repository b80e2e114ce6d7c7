"""The client of the dashboard in front of the application itself, without a server."""

import io
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask
from requests.adapters import BaseAdapter

from cidp.api_client import ApiClient, ClientSettings


class _Transport(BaseAdapter):
    """Hands each request to an application, as a server on this machine would."""

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self._client = app.test_client()

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        url = urlsplit(request.url or "")
        headers = [
            (name, value.decode("latin-1") if isinstance(value, bytes) else value)
            for name, value in request.headers.items()
        ]
        answer = self._client.open(
            str(url.path),
            method=request.method,
            query_string=str(url.query),
            headers=headers,
            data=request.body,
            buffered=True,
        )
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers.update(answer.headers)
        response._content = answer.data
        response.raw = io.BytesIO()
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is open."""


def client_of(app: Flask, key: str) -> ApiClient:
    """Return a client whose calls reach `app`."""
    client = ApiClient(ClientSettings("http://127.0.0.1:5000", key))
    client._session.mount("http://", _Transport(app))
    return client
