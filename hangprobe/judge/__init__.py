"""From what was observed to what can be said: pure functions over `hangprobe.model`, no clock, files or processes."""
