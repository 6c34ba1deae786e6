# A classic: each stage waits for the one before it; sort holds everything back until its input ends.
seq 3000000 | grep 7 | sed 's/[0-6]/x/g' | sort | uniq -c | sort -rn | head -5
