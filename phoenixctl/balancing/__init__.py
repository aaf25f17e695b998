"""Strategies and weights."""
