"""What a launcher gave a rank to start with, as values: the words of `observe.context` and `explain.contextdiff`."""
