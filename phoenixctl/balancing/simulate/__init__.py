"""How strategies would do: a fleet, its load and its proxies, request by request."""
