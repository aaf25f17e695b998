"""What the operator's side keeps: lock, journal, audit log, sightings."""
