"""The kinds of call: a table, and the modules of the kinds that need code of their own."""
