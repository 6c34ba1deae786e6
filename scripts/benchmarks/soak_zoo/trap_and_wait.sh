# A shell waits for a child that would never end; a signal from another child interrupts the wait.
mkfifo never
trap 'kill $reader' USR1
cat never & reader=$!
(sleep 3; kill -USR1 $$) &
wait $reader
wait
