"""Targets, compliance, deviation."""
