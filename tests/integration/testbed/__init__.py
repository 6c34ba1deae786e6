"""Real testbeds, of the user who runs the tests."""
