# find waits for each command, then for a batch of them.
seq 20 | xargs touch
find . -type f -exec sh -c 'sleep 0.1; cksum "$1"' sh {} \; | wc -l
find . -type f -print0 | xargs -0 -P 4 -n 3 sh -c 'sleep 0.5; cksum "$@"' sh | wc -l
