"""Measurements of hangprobe itself: `scripts/bench`."""
