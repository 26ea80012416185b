"""One module for each kind of stream."""
