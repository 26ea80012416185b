"""Patches LiteLLM, and ties each call to its span."""
