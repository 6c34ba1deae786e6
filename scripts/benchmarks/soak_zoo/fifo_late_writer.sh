# A reader waits in the open of a named pipe until somebody comes after seconds.
mkfifo door
cat door > got &
sleep 3
echo hello > door
wait
cat got
