"""Pure: what a testbed is to look like, and what is done where it cannot be."""
