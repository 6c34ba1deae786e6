# Healthy: two shells `exec 9>file; flock 9; work`: one works, the other waits for its turn.
#
# Looks hung: the waiter is blocked in flock(), and the process that /proc/locks names as the holder, flock(1), has
# ended. The lock lives on in descriptor 9 of the shell that works, and of its commands: what a leaked lock looks like.
mark() {
    if [ -n "$HANGPROBE_MARKS" ]; then
        echo "$("$python" -c 'import time; print(time.monotonic())') $$ $1" >>"$HANGPROBE_MARKS/rank-0.marks"
    fi
}

python=${1:-python3}
file=$(mktemp) || exit 1
(
    exec 9>"$file"
    flock 9
    echo locked >"$file.locked"
    for n in $(seq 84); do sleep 0.05; done
    mark look-alike-ends
    echo worked >"$file.worked"
) &
while [ ! -e "$file.locked" ]; do sleep 0.05; done
exec 9>>"$file"
mark look-alike
flock 9
status=0
[ -e "$file.worked" ] || status=1
wait $! || status=1
rm -f "$file" "$file.locked" "$file.worked"
exit $status
