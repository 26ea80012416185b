"""Runs programs with tracing off and on, and compares all values that they can see."""
