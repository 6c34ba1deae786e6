# Commands that read from several pipes at once, of which one is slow.
paste <(seq 5) <(sleep 2; seq 5) <(for number in 1 2 3 4 5; do sleep 0.5; echo "$number"; done)
comm -12 <(seq 100000 | sort) <(seq 50000 150000 | sort) | wc -l
diff <(sleep 1; seq 10) <(seq 10) && echo same
