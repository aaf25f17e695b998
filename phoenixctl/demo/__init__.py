"""The reference agent, its load generator and the scenes of `make demo`."""
