"""What is read of `/proc`, on captured and synthetic trees."""
