"""A tracking server on PostgreSQL, and more calls than it can take."""
