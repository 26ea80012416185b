"""Compares this package with other tracers of LiteLLM: the same calls, row by row."""
