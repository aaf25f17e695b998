"""Migrations of an agent that is asked all the while, with a fault at a random moment of each."""
