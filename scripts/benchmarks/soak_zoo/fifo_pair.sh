# A server and a client with two named pipes: each open waits for the other side, then each read waits for an answer.
mkfifo ask answer
(while read -r word < ask; do [ "$word" = stop ] && break; sleep 0.3; echo "$word!" > answer; done) &
for word in a b c d e f g h; do echo "$word" > ask; cat answer; done
echo stop > ask
wait
