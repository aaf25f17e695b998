"""The words of the project as frozen data."""
