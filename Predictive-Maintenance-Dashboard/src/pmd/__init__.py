"""Predictive maintenance: simulate locomotives, process telemetry, train and bundle the risk model."""
