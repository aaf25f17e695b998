"""Predictors with calibrated bounds."""
