"""The export by OpenTelemetry's GenAI conventions."""
