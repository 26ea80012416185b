"""The outputs of responses, with and without streaming."""
