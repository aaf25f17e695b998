"""Use cases over ports: observe, run agents, drain, run commands."""
