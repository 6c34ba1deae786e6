"""Pure and fast: no processes, no clock, no network."""
