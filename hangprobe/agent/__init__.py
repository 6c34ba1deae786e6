"""Jobs on several nodes: what each node reports of its part, how the nodes are reached, and the joining."""
