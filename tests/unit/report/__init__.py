"""Reports, against golden files."""
