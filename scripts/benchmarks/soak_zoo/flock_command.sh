# Several flock(1) commands wait for one another's lock; the last one for seconds.
for number in 1 2 3 4; do flock lock sh -c "sleep 1; echo $number" & done
wait
