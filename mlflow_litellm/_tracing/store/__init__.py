"""Find and open the store of traces without making a call wait."""
