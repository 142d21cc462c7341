"""Telemetry of runs, for OpenTelemetry."""
