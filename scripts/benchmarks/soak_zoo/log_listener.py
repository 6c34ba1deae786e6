"""Forked workers log through a queue to a listener thread of the parent."""

import logging
import logging.handlers
import multiprocessing
import time

context = multiprocessing.get_context("fork")
queue: "multiprocessing.Queue[logging.LogRecord]" = context.Queue()


def work(number: int) -> None:
    """Log now and then."""
    logger = logging.getLogger()
    logger.handlers = [logging.handlers.QueueHandler(queue)]
    for step in range(5):
        logger.warning("worker %d, step %d", number, step)
        time.sleep(0.3)


listener = logging.handlers.QueueListener(queue, logging.FileHandler("log"))
workers = [context.Process(target=work, args=(number,)) for number in range(3)]
for worker in workers:
    worker.start()
listener.start()
for worker in workers:
    worker.join()
time.sleep(1)
listener.stop()
