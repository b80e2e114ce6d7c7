"""The dashboard in front of a fake API, as on one machine: nobody signs in."""

import sys

import pytest
import streamlit as st
from api_samples import Open, in_order
from fake_api import FakeApi
from streamlit.testing.v1 import AppTest


@pytest.fixture(autouse=True)
def same_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back the main module, which a page's script replaces, and new processes would run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "get_option", {"server.address": "127.0.0.1"}.get)


@pytest.fixture
def opened(fake_api: FakeApi, monkeypatch: pytest.MonkeyPatch, on_loopback: None) -> Open:
    """Open a page by the name of its module, in front of a platform in order."""
    monkeypatch.setenv("API_URL", fake_api.url)
    monkeypatch.delenv("API_KEY", raising=False)
    in_order(fake_api)

    def draw(page: str) -> None:
        import importlib
        import os

        from cidp.api_client import ClientSettings
        from cidp.views.access import show_identity, sign_in
        from cidp.views.address import remember_address
        from cidp.views.data_strip import show_data_strip

        access = sign_in(ClientSettings.from_environ(os.environ))
        assert access
        show_identity(access)
        show_data_strip(access.client)
        remember_address(page)
        getattr(importlib.import_module(f"cidp.views.{page}"), f"show_{page}")(access)

    def run(page: str) -> AppTest:
        return AppTest.from_function(draw, default_timeout=240, args=(page,))

    return run
