# Background jobs of different length; the shell waits for all, then for any, then for one.
for seconds in 1 2 3; do sleep "$seconds" & done
wait
for seconds in 1 2 3; do sleep "$seconds" & done
wait -n
wait $!
