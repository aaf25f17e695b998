"""Kinds, windows, histograms, roll-ups."""
