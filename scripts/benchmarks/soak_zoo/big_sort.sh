# sort with a small buffer and threads of its own: it merges temporary files, and its reader waits for a long time.
seq 1500000 | shuf | sort -S 4M --parallel=2 -T . -n | tail -1
