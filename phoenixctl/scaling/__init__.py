"""Policies, decisions, cooldowns, capacity."""
