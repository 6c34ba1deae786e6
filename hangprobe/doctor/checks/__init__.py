"""Checks, a file a subject: pure functions from facts to what is said of them."""
