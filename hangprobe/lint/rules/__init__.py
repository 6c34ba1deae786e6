"""One file a rule: a function from a reading and a subject's facts to mistakes. Pure, and none knows of another."""
