"""Telemetry of runs with OpenTelemetry."""
