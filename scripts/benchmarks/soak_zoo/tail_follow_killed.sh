# tail follows a pipe that stays silent, until its parent ends it.
sleep 4 | tail -f -n 3 &
sleep 3
kill $! 2>/dev/null
wait $! 2>/dev/null
wait
