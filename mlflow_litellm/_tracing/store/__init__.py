"""Where traces are stored: found and opened without making a call wait."""
