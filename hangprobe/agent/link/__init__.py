"""The authenticated link between the head of a job and the observers of its nodes."""
