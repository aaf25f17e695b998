"""Where agents go, as arrays: the problem, its cost, and a search for a better placement."""
