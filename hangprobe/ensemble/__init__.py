"""Launchers compared across ensembles of Parsl's HighThroughputExecutor: plan, trials, campaign."""
