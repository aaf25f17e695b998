"""Those who carry alerts to people and other systems."""
