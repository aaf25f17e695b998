"""Few moves that bring a fleet nearer to a goal, in waves that break nothing on the way."""
