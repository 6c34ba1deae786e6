"""Looks at jobs that run already: one tree, everything on this node, one job on several nodes."""
