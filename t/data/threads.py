# SPDX-License-Identifier: MIT
# Threads that compute, open files, a child over two pipes.  Shows "ready",
# goes on until "verify" appears, then checks everything.
import hashlib
import os
import sys
import threading
import time

WORKERS = 4
over = threading.Event()
results = [None] * WORKERS
problems = []


def check(ok, what):
    if not ok:
        problems.append(what)


def digest(n, steps):
    value = b"%d" % n
    for _ in range(steps):
        value = hashlib.sha256(value).digest()
    return value


def work(n):
    value, steps = b"%d" % n, 0
    while not over.is_set():
        for _ in range(50):
            value = hashlib.sha256(value).digest()
            steps += 1
        time.sleep(0.005)
    results[n] = (value, steps)


def child(read_end, write_end):
    total = 0
    for line in read_end:
        total += int(line)
        write_end.write("%d\n" % total)
        write_end.flush()
    os._exit(7)


down_r, down_w = os.pipe()
up_r, up_w = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(down_w)
    os.close(up_r)
    child(os.fdopen(down_r), os.fdopen(up_w, "w"))
os.close(down_r)
os.close(up_w)
to_child = os.fdopen(down_w, "w")
from_child = os.fdopen(up_r)

data = open("data", "w+")
data.write("".join("line %d\n" % i for i in range(1000)))
data.flush()
data.seek(0)
for _ in range(10):
    data.readline()

threads = [threading.Thread(target=work, args=(n,)) for n in range(WORKERS)]
for t in threads:
    t.start()

sent = 0
total = 0
while not os.path.exists("verify"):
    sent += 1
    total += sent
    to_child.write("%d\n" % sent)
    to_child.flush()
    check(int(from_child.readline()) == total, "the child's sum")
    if sent == 5:
        open("ready", "w").close()
    time.sleep(0.01)

over.set()
for t in threads:
    t.join()
for n, (value, steps) in enumerate(results):
    check(value == digest(n, steps), "thread %d computed" % n)
check(data.readline() == "line 10\n", "the file's offset")
to_child.close()
check(os.waitpid(pid, 0) == (pid, 7 << 8), "the child's end")
check(threading.active_count() == 1, "threads")
for p in problems:
    print("wrong:", p, flush=True)
print("ok" if not problems else "failed", flush=True)
os._exit(1 if problems else 0)
