"""Tests a tracking server on PostgreSQL with more calls than it can store at once."""
