"""A daemon process waits for ever, and multiprocessing ends it when the main thread is done."""

import multiprocessing
import threading
import time

context = multiprocessing.get_context("fork")
for target in (threading.Event().wait, context.Event().wait, context.SimpleQueue().get):
    context.Process(target=target, daemon=True).start()
time.sleep(4)
