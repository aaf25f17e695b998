"""The full-screen view of the fleet: the only room that knows Textual, imported by `top` alone."""
