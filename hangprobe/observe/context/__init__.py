"""A rank's launch context, read from the live process: `read` is where to begin."""
