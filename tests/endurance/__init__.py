"""Makes thousands of calls while tracing is switched on and off, and checks for leaks."""
