"""Measures what tracing costs, against the same span made by hand and other tracers."""
