"""The proof and the verdicts, on snapshots made by hand."""
