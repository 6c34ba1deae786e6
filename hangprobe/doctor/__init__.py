"""What this machine can do for hangprobe, and what is missing: facts are gathered, then checked, then tried."""
