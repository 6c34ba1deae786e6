# dd between pipes, with another block size on each side, and a slow reader.
dd if=/dev/zero bs=1M count=200 status=none | dd bs=4k status=none | dd bs=64k status=none | wc -c
(for number in 1 2 3; do sleep 1; echo "$number"; done) | dd bs=1 status=none
