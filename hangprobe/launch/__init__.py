"""Start a job, own every process it makes, and end them all."""
