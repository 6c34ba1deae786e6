"""What a number of trials allows to say: pure, from counts and times to estimates with their intervals.

    rates.py        hung of started: rate, bound_sentence, fewest_trials
    differences.py  two rates: difference
    ratios.py       times of two cells: ratio_of, ratio_in_blocks
    families.py     many comparisons at once: holm
    sequential.py   stopping early, at looks fixed beforehand: looks, decide
    scores.py       the exact test that differences rest on
    crossing.py     the same for several looks

scipy and numpy come with the extra `compare`. Everything imports them inside functions, but `scores` and `crossing`,
which are themselves imported inside functions only.
"""
