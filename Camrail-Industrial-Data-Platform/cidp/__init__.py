"""Camrail Industrial Data Platform: scoring API, telemetry ingest and live monitor."""

__version__ = "3.0.0"
