"""Runs programs with tracing off and on, and compares everything that they can see."""
