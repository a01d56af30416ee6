"""A program on a pseudo-terminal, driven by a script: what the tests of the shell type and see.

    terminal.py STEPS PROGRAM [ARGUMENT…]

STEPS is a JSON list of ["expect", text] and ["send", text]. A text is expected behind the one
that was expected before it, in what the program has drawn, without its escape sequences. At the
end the program must exit by itself. What it drew goes to stdout; the exit status is the
program's, or 70 with a reason on stderr where the script could not be followed.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

# Dev builds on a busy machine are slow.
PATIENCE_S = 120
ROWS, COLUMNS = 40, 120
# Programs ask where the cursor is; a terminal answers. Any place will do.
QUESTION, ANSWER = b"\x1b[6n", b"\x1b[1;1R"
ESCAPES = re.compile(
    r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]"  # CSI: colours, movements
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, marks
    r"|\x1b[@-Z\\-_=>78]"
)
UNFINISHED = re.compile(r"\x1b[^A-Za-z]*$")


class Terminal:
    def __init__(self, command):
        self.raw = b""
        self.seen = 0
        self.status = None
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def text(self):
        drawn = self.raw.decode("utf-8", "replace")
        return ESCAPES.sub("", UNFINISHED.sub("", drawn))

    def read(self, deadline):
        """Reads what there is; False where the program has ended."""
        wait = max(0.0, min(0.2, deadline - time.monotonic()))
        if not select.select([self.master], [], [], wait)[0]:
            return True
        try:
            chunk = os.read(self.master, 65536)
        except OSError:  # how Linux says that the other side is closed
            chunk = b""
        if not chunk:
            return False
        asked = self.raw.count(QUESTION)
        self.raw += chunk
        for _ in range(self.raw.count(QUESTION) - asked):
            os.write(self.master, ANSWER)
        return True

    def expect(self, wanted):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = self.text().find(wanted, self.seen)
            if found >= 0:
                self.seen = found + len(wanted)
                return
            if time.monotonic() > deadline:
                self.give_up(f"{wanted!r} did not come")
            if not self.read(deadline) and self.text().find(wanted, self.seen) < 0:
                self.give_up(f"the program ended before {wanted!r} came")

    def send(self, text):
        os.write(self.master, text.encode())

    def end(self):
        deadline = time.monotonic() + PATIENCE_S
        while self.read(deadline):
            if time.monotonic() > deadline:
                self.give_up("the program did not end")
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def give_up(self, reason):
        print(self.text())
        print(f"{reason}; last seen: {self.text()[-2000:]!r}", file=sys.stderr)
        os.kill(self.pid, signal.SIGKILL)
        sys.exit(70)


def main():
    steps, command = json.loads(sys.argv[1]), sys.argv[2:]
    terminal = Terminal(command)
    for verb, text in steps:
        getattr(terminal, {"expect": "expect", "send": "send"}[verb])(text)
    status = terminal.end()
    print(terminal.text())
    sys.exit(status)


if __name__ == "__main__":
    main()
