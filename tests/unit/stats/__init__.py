"""What a number of trials allows to say, against published values and by exact enumeration."""
