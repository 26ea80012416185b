"""Helpers that merge the chunks of streams."""
