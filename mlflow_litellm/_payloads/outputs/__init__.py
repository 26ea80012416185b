"""The outputs of responses, whole or merged from chunks."""
