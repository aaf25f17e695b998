"""The difference of wanted and observed, as a plan."""
