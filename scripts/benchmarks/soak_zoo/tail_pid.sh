# tail follows a file until its writer has gone: it waits in inotify and looks for the pid once a second.
(for number in 1 2 3 4 5 6; do echo "$number" >> log; sleep 0.5; done) &
touch log
tail -f --pid=$! log
