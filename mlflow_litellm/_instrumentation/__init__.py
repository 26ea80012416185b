"""Patch LiteLLM's functions, and make the span of each call."""
