# A shell locks by descriptor, its child inherits the lock and keeps it while the shell works; a waiter gets it at last.
exec 9> lock
flock 9
(sleep 3) &
flock other flock lock echo "got it" 9>&- &
sleep 1
exec 9>&-
wait
