"""YAML to model, with errors that name file, line and column."""

from __future__ import annotations

import os

# pydantic looks through every installed package for plugins, 20 ms of CPU for each run; none of
# them should have a say in how settings are read.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
