"""A program that uses a testbed and waits: `user.py NAME`. Prints its state as JSON when it is up."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict

from hangprobe.testbed.cluster import Testbed

with Testbed.up(2, sys.argv[1]) as bed:
    print(json.dumps(asdict(bed.state)), flush=True)
    time.sleep(60)
