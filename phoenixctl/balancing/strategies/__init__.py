"""Who gets the next request: one strategy a file."""
