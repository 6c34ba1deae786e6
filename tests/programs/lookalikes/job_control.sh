# Healthy: a script with job control (set -m) starts a parked helper in the background, works, and ends it (kill %1).
# Looks hung in a terminal: the shell leads a session that has one, and the helper has a process group of its own, as if
# somebody had typed both. usage: sh job_control.sh PYTHON
set -m
"$1" -c '
import os, signal, threading, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
with open(os.environ["HANGPROBE_MARKS"] + "/rank-0.marks", "a") as file:
    file.write(f"{time.monotonic():.6f} {os.getpid()} look-alike\n")
threading.Event().wait()' &
for n in $(seq 84); do sleep 0.05; done
"$1" -c '
import os, time
with open(os.environ["HANGPROBE_MARKS"] + "/rank-0.marks", "a") as file:
    file.write(f"{time.monotonic():.6f} {os.getpid()} look-alike-ends\n")'
kill %1
wait
exit 0
