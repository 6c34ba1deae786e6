"""Commands connected by hand, communicate() with much data both ways, and one that is killed after a time-out."""

import contextlib
import subprocess

for _ in range(3):
    first = subprocess.Popen(["sh", "-c", "sleep 1; seq 200000"], stdout=subprocess.PIPE)
    second = subprocess.Popen(["sort", "-rn"], stdin=first.stdout, stdout=subprocess.PIPE)
    assert first.stdout
    first.stdout.close()
    assert len(second.communicate()[0]) > 1_000_000
    first.wait()
subprocess.run(["sh", "-c", "sleep 1; cat"], input=b"x" * 3_000_000, capture_output=True, check=True)
with contextlib.suppress(subprocess.TimeoutExpired):
    subprocess.run(["cat"], stdin=subprocess.PIPE, timeout=1, check=False)
with contextlib.suppress(subprocess.TimeoutExpired):
    subprocess.run(["sleep", "1000"], timeout=1, check=False)
