# A writer without end: SIGPIPE ends it.
for round in 1 2 3 4; do yes | head -c 300000000 | tail -c 1 > /dev/null; sleep 0.5; done
