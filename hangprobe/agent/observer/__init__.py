"""What watches one node for one job: `python -m hangprobe.agent.observer`."""
