"""The command line: parse, compose, run a workflow, render, exit code."""
