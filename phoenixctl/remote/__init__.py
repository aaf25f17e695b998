"""Commands for nodes and the parsing of what they print. No I/O."""
