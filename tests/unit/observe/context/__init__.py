"""Reading launch contexts."""
