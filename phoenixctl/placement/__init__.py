"""Filters and scores: which agent goes to which node, and why."""
