"""A ProcessPoolExecutor by fork and by spawn, with pauses in which nobody works."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor


def main() -> None:
    """Use one executor after the other."""
    for method in ("fork", "spawn", "forkserver"):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as executor:
            list(executor.map(time.sleep, [0.2] * 6))
            time.sleep(1)
            list(executor.map(time.sleep, [0.1] * 6))


if __name__ == "__main__":
    main()
