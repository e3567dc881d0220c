#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# A deliverer for tests: listens on a control socket, keeps what it gets, and answers as the file beside the socket says.
# usage: drop.py SOCKET RULES OUT; RULES: lines "DROP K|Z|X STATUS TEXT", read anew for each job; DROP "*" is any; the answers
# (a \n in TEXT is a newline: notes may follow it) "silent", "garbage", "half" and "die" in place of K break the protocol in their ways.  OUT gets a directory's worth of N.msg, and a line a job in OUT/jobs.
import os, socket, sys, threading, time

def frames(conn):
    buf = b''
    while True:
        while True:
            colon = buf.find(b':')
            if colon > 0 and len(buf) >= colon + 2 + int(buf[:colon]):
                break
            more = conn.recv(65536)
            if not more:
                return
            buf += more
        n = int(buf[:colon])
        yield buf[colon + 1:colon + 1 + n]
        buf = buf[colon + 2 + n:]

def frame(value):
    return b'%d:%s,' % (len(value), value)

def rule(drop):
    for line in open(sys.argv[2]):
        words = line.rstrip('\n').split(' ', 3)
        if words[0] in ('*', drop):
            return words[1:] + [''] * (4 - len(words))
    return ['K', '2.0.0', 'kept']

lock = threading.Lock()
count = 0

def serve(conn):
    global count
    conn.sendall(frame(b'Htest 1'))
    key, rcpts, body, drop, unclear, more = b'', [], b'', '', 0, ''
    for f in frames(conn):
        kind, value = f[:1], f[1:]
        if kind == b'J':
            key, rcpts, body, unclear, more = value, [], b'', 0, ''
        elif kind == b'D':
            drop = value.decode()
        elif kind == b'R':
            rcpts.append(value.decode('utf-8', 'replace'))
        elif kind == b'B':
            body += value
        elif kind == b'A' and value == b'unclear=1':
            unclear = 1
        elif kind == b'A' and value.startswith(b'connections='):
            more = ' ' + value.decode()
        elif kind == b'S':
            sender = value.decode('utf-8', 'replace')
        elif kind == b'E':
            verdict, status, text = rule(drop)[:3]
            with lock:
                count += 1
                if verdict == 'K':
                    with open('%s/%d.msg' % (sys.argv[3], count), 'wb') as out:
                        out.write(body)
                with open(sys.argv[3] + '/jobs', 'a') as out:
                    out.write('%s %s <%s> %s unclear=%d%s\n' % (verdict, drop, sender, ' '.join(rcpts), unclear, more))
            if text.startswith('slow '):         # slow SECONDS: with signs of life
                for _ in range(int(text.split()[1]) * 4):
                    time.sleep(0.25)
                    conn.sendall(frame(b'Y' + key))
            if verdict == 'silent':
                continue
            if verdict == 'garbage':
                conn.sendall(b'\0\1\2 no netstring at all')
                return
            if verdict == 'half':
                conn.sendall(frame(b'K' + key + b' 0 2.0.0 kept')[:20])
                conn.close()
                return
            if verdict == 'die':
                os._exit(1)
            for n in range(len(rcpts)):
                conn.sendall(frame(verdict.encode() + key + b' %d ' % n + status.encode() + b' ' + text.replace('\\n', '\n').encode()))

path = sys.argv[1]
listener = socket.socket(socket.AF_UNIX)
if os.path.exists(path):
    os.unlink(path)
listener.bind(path)
listener.listen(16)
while True:
    conn = listener.accept()[0]
    threading.Thread(target=serve, args=(conn,), daemon=True).start()
