"""What is said of a campaign: counted once, told in four formats."""
