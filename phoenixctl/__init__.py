"""phoenixctl: an operator's command line for a fleet of machines reached over SSH."""

__version__ = "0.1.0"
