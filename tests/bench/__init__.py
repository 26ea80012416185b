"""Measures the cost of tracing, against the same span made by hand and against other tracers."""
