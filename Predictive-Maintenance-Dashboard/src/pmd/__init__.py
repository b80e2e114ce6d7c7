"""Predictive maintenance: simulate locomotives, process telemetry, train the risk model."""
