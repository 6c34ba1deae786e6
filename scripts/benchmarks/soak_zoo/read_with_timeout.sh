# read with a time-out, on a pipe to which nobody writes.
exec 4<> <(sleep 5)
for round in 1 2 3; do read -r -t 1 word <&4; done
sleep 4 | read -r word
true
