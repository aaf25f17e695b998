"""Scores, one file each: how well a node suits an agent; `every` has the strategies."""
