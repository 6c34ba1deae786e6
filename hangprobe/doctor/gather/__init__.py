"""Thin readers of the machine, a file a subject: each returns one frozen dataclass of facts."""
