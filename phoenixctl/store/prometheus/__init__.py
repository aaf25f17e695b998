"""Metrics in a Prometheus, or in what speaks its language: VictoriaMetrics, Mimir.

Samples go out by remote write 1.0 and come back by PromQL over HTTP.
"""
