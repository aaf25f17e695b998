"""Traffic routers: weights, drains, statistics."""
