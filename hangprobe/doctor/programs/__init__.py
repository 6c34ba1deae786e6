"""Stand-alone programs of the self-test: they need nothing but Python, and never import hangprobe."""
