"""Export spans by OpenTelemetry's GenAI conventions."""
