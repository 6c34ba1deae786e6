"""Jobs that run already."""
