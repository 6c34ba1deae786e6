"""Threads wait for conditions, events, barriers and a bounded queue; only one thread at a time is on its way."""

import queue
import threading
import time

done = threading.Event()
meeting = threading.Barrier(4)
boxes: "queue.Queue[int]" = queue.Queue(maxsize=2)


def consume() -> None:
    """Take boxes slowly, then meet the others."""
    for _ in range(10):
        boxes.get()
        time.sleep(0.1)
    meeting.wait()
    done.wait()


threads = [threading.Thread(target=consume) for _ in range(3)]
for thread in threads:
    thread.start()
for number in range(30):
    boxes.put(number)
meeting.wait()
time.sleep(2)
done.set()
for thread in threads:
    thread.join()
