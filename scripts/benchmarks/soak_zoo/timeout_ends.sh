# timeout(1) waits for a command that would never end by itself, and ends it by a signal.
mkfifo never
timeout 2 sh -c 'cat < never'
timeout --signal=INT 2 sleep 1000
timeout --foreground 2 cat never
echo "ended: $?"
