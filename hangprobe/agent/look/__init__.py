"""A look at jobs that run already: what `attach` starts on their nodes, and how its answers are joined."""
