"""What `phoenixctl top` shows, as lines of pieces with a style; no terminal is known here."""
