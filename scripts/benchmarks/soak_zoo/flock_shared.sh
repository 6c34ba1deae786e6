# Readers share a lock while a writer waits for all of them.
touch lock
for number in 1 2 3; do flock --shared lock sleep "$number" & done
sleep 0.3
flock lock echo written
wait
