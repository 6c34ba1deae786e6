# The shell waits for a child that would never end by itself; another child ends it after a while.
exec 3<> <(:)
mkfifo never
cat never & victim=$!
(sleep 3; kill $victim) &
wait $victim
wait
