# SPDX-License-Identifier: GPL-3.0-or-later
"""A user who takes all that there is, for greedy.t: greedy.py WAY SOCKET.  Says "ready" when he has it, and holds it until he is ended."""
import os
import signal
import socket
import sys
import time

UID = 65533


def frame(text):
    text = text.encode()
    return b'%d:%s,' % (len(text), text)


def give(path, data):
    """A connection that was sent as much of it as the peer takes."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.settimeout(0.3)
    try:
        while data:
            data = data[s.send(data):]
    except OSError:
        pass
    return s


def message(n):
    return frame('M%032x' % n) + frame('S') + frame('Rroot')


HELLO = frame('Hgreedy 1')
HALF = HELLO + b'65000:M' + b'x' * 64900
QUESTIONS = HELLO + b''.join(frame('Q%032x' % n) for n in range(12000))


def halves(path):
    return [give(path, HALF) for _ in range(240)] + [give(path, QUESTIONS) for _ in range(6)]


def unread(path):
    return [give(path, QUESTIONS) for _ in range(90)]


def waiting(path):
    return [give(path, HELLO + message(n) + frame('B' + 'x' * 50000) * 5) for n in range(130)]


def admins(path):
    return [give(path, HELLO) for _ in range(64)]


def shows(path):
    """A large message of his own waits: he asks for it on all connections, and reads nothing."""
    queue = give(path.replace('admin', 'queue'), HELLO + message(1 << 64) + frame('B' + 'x' * 50000) * 200 + frame('E'))
    queue.settimeout(30)
    identity = b''
    while b',' not in identity.partition(b'K%032x ' % (1 << 64))[2]:
        identity += queue.recv(4096)
    identity = identity.partition(b'K%032x ' % (1 << 64))[2].partition(b',')[0].decode()
    time.sleep(1)
    return [give(path, HELLO + frame('W' + identity)) for _ in range(60)]


WAYS = {way.__name__: way for way in (halves, unread, waiting, admins, shows)}
os.setgroups([])
os.setgid(UID)
os.setuid(UID)
held = WAYS[sys.argv[1]](sys.argv[2])
print('ready', flush=True)
signal.alarm(60)
while True:
    time.sleep(1)
