"""Makes thousands of calls while tracing is switched on and off, and looks at what is left."""
