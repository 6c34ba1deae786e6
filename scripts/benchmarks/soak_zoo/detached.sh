# Children in sessions of their own, without an environment; the shell polls for their result.
env -i setsid sh -c 'sleep 3; : > done' &
setsid -w sleep 2
until [ -e done ]; do sleep 0.2; done
wait
