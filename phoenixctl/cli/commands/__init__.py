"""One file per noun or verb."""
