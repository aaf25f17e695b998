"""One page of HTML about a fleet, with everything in it: no script, no font, no address."""
