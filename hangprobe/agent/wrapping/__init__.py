"""The words before a rank, and what they start: Python 3.8, standard library, next to no imports."""
