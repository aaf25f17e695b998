"""What workflows need from outside, as Protocols."""
