"""From verdicts to findings: the cause in the field's words, its evidence and what to do about it. Pure."""
