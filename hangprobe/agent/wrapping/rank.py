"""Where a rank's wrapper enters Python: short, because what runs as a program is compiled anew each time.

`python -I -S rank.py ...`, from 3.8 on; become.py does the work, and says what the words mean.
"""

from __future__ import annotations

import sys

if not __package__:
    sys.dont_write_bytecode = True  # a thousand ranks at once, into one folder
    for _name in ("hangprobe", "hangprobe.agent", "hangprobe.agent.wrapping"):
        sys.modules[_name] = type(sys)(_name)
        sys.modules[_name].__path__ = [__file__.rpartition("/")[0]]

from hangprobe.agent.wrapping import become

if __name__ == "__main__":
    become.main()
