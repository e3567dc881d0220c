#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A submission that breaks at every byte: inject goes through a proxy that cuts its first connection, kills queue, or kills inject.
The message must be there once after exit 0, not at all after 75, and never twice."""
import os, re, signal, socket, subprocess, sys, tempfile, threading, time, shutil

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(TOP, 'build', 'bin')
STEP = int(os.environ.get('SUBMIT_STEP', '7'))
scratch = tempfile.mkdtemp(prefix='deaddrop-test.', dir='/tmp')
spool = os.path.join(scratch, 'spool')
for d in ('journal', 'outcome', 'deferred', 'dead'):
    os.makedirs(os.path.join(spool, d))
QUEUE, PROXY = os.path.join(scratch, 'queue.ctrl'), os.path.join(scratch, 'proxy.ctrl')
log = open(os.path.join(scratch, 'queue.log'), 'ab')
number = 0
queue = None


def ok(good, name, why=''):
    global number
    number += 1
    print(('ok' if good else 'not ok'), number, '-', name, flush=True)
    if not good and why:
        print('# ' + why.replace('\n', '\n# '), flush=True)


def start_queue():
    global queue
    queue = subprocess.Popen([os.path.join(BIN, 'deaddrop-queue'), '--in', QUEUE, '--out', os.path.join(scratch, 'send.ctrl'), '--spool', spool],
                             stdin=subprocess.DEVNULL, stderr=log)


def stop_queue(sig):
    queue.send_signal(sig)
    queue.wait()


def connect(path, patience=5):
    end = time.monotonic() + patience
    while True:
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
            return s
        except OSError:
            s.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


class Proxy:
    """Passes bytes; on the first connection, after `at` bytes in direction `way` ('up' to queue, 'down' to inject), calls `fault`, then cuts."""

    def __init__(self, way, at, fault):
        self.way, self.at, self.fault, self.count, self.lengths = way, at, fault, 0, {'up': 0, 'down': 0}
        if os.path.exists(PROXY):
            os.unlink(PROXY)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(PROXY)
        self.server.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.count += 1
            try:
                up = connect(QUEUE)
            except OSError:
                client.close()
                continue
            first = self.count == 1
            for way, a, b in (('up', client, up), ('down', up, client)):
                threading.Thread(target=self.pump, args=(way, a, b, first), daemon=True).start()

    def pump(self, way, source, target, first):
        passed = 0
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if first and self.at is not None and way == self.way and passed + len(data) >= self.at:
                    target.sendall(data[:self.at - passed])
                    time.sleep(0.002)
                    self.fault()
                    for s in (source, target):
                        try:
                            s.shutdown(socket.SHUT_RDWR)
                        except OSError:
                            pass
                    return
                target.sendall(data)
                passed += len(data)
                if first:
                    self.lengths[way] = passed
            target.shutdown(socket.SHUT_WR)
        except OSError:          # reset: the other side has to hear of it
            for s in (source, target):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.server.close()


BODY = b'Subject: message %d\n\nsome text\n'
message = 0


def submit(proxy, wait='10s'):
    global message
    message += 1
    return subprocess.Popen([os.path.join(BIN, 'deaddrop-inject'), '--out', PROXY, '--wait', wait, '-f', 'a@b.example', 'root@b.example'],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def feed(p):
    try:
        _, err = p.communicate(BODY % message, timeout=60)
    except subprocess.TimeoutExpired:
        p.kill()
        _, err = p.communicate()
        return 'hung', err
    return p.returncode, err


def stored(n):
    """How many whole records in the journals have the subject."""
    count = 0
    for name in os.listdir(os.path.join(spool, 'journal')):
        try:
            with open(os.path.join(spool, 'journal', name), 'rb') as f:
                count += len(re.findall(b'^Subject: message %d$' % n, f.read(), re.M))
        except OSError:
            pass
    return count


def judge(bad, where, status, err):
    time.sleep(0.005)
    n = stored(message)
    if status == 0 and n != 1 or status == 75 and n != 0 or status not in (0, 75):
        bad.append('%s: exit %s, %d stored; %s' % (where, status, n, err.decode(errors='replace').strip()))


try:
    start_queue()
    connect(QUEUE).close()
    proxy = Proxy('up', None, None)
    status, err = feed(submit(proxy))
    ok(status == 0 and stored(message) == 1, 'an undisturbed submission', str((status, err)))
    lengths = dict(proxy.lengths)
    proxy.close()
    print('# %(up)d bytes to queue, %(down)d back' % lengths)

    for name, fault in (('the connection is cut', lambda: None),
                        ('queue is killed and restarted', lambda: (stop_queue(signal.SIGKILL), start_queue()))):
        for way in ('up', 'down'):
            bad, runs = [], 0
            step = STEP if way == 'up' else 1
            for at in list(range(1, lengths[way] + 1, step)) + [lengths[way]]:
                proxy = Proxy(way, at, fault)
                status, err = feed(submit(proxy))
                judge(bad, '%s byte %d' % (way, at), status, err)
                proxy.close()
                runs += 1
            ok(not bad, '%s after each byte %s: once after 0, never after 75 (%d runs)' % (name, 'to queue' if way == 'up' else 'of the answer', runs), '\n'.join(bad[:10]))

    bad, runs = [], 0
    for way in ('up', 'down'):
        for at in list(range(1, lengths[way] + 1, STEP if way == 'up' else 3)) + [lengths[way]]:
            holder = {}
            proxy = Proxy(way, at, lambda: holder['p'].kill())
            holder['p'] = submit(proxy)
            feed(holder['p'])
            time.sleep(0.01)
            if stored(message) > 1:
                bad.append('%s byte %d: %d stored' % (way, at, stored(message)))
            proxy.close()
            runs += 1
    ok(not bad, 'inject is killed after each byte: never two (%d runs)' % runs, '\n'.join(bad[:10]))

    # Queue away for a while between the end of the message and the question
    def away():
        stop_queue(signal.SIGKILL)
        threading.Timer(1.0, start_queue).start()
    proxy = Proxy('down', lengths['down'] - 3, away)
    bad = []
    status, err = feed(submit(proxy))
    judge(bad, 'away for a second', status, err)
    ok(not bad and status == 0, 'queue is killed with its answer half sent and comes back a second later', '\n'.join(bad))
    proxy.close()
    time.sleep(1.2)
    stop_queue(signal.SIGTERM)
    ok(queue.returncode == 0, 'queue ends with 0', str(queue.returncode))
finally:
    if queue and queue.poll() is None:
        queue.kill()
    shutil.rmtree(scratch, ignore_errors=True)
print('1..%d' % number)
