"""Execute a command with listening sockets as systemd hands them over: from descriptor 3 on.

`run_with_sockets.py public=5,admin=6 COMMAND WORD …`; the numbers are descriptors of this process.
"""

import os
import sys

_FIRST, _AWAY = 3, 100

pairs = [word.split("=") for word in sys.argv[1].split(",")]
away = [os.dup2(int(number), _AWAY + place) for place, (_, number) in enumerate(pairs)]
for place, number in enumerate(away):
    os.dup2(number, _FIRST + place)
os.environ |= {
    "LISTEN_PID": str(os.getpid()),
    "LISTEN_FDS": str(len(pairs)),
    "LISTEN_FDNAMES": ":".join(name for name, _ in pairs),
}
os.execv(sys.argv[2], sys.argv[2:])
