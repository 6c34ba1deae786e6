# A named pipe that one process holds with both ends: its reader sleeps until a stranger opens it and writes.
mkfifo box
exec 3<> box
(sleep 3; echo letter > box) &
read -r word <&3
echo "$word"
wait
