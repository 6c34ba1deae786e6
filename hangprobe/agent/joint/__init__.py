"""The head's half of a job on several nodes: what its observers tell, as one verdict."""
