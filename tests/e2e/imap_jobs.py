# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands jobs to a deliverer's control socket as send would, and prints the answers.

imap_jobs.py SOCKET COUNT [name=value...]: drop=, size=, first= (number of the first message), unclear=1, wait= (seconds; then it leaves), text= (a body instead of filling), window=,
connections= and timeout= (as send says them), head= (more fields), wire= (bytes as they are sent)
"""
import socket, sys, tempfile, time


def key(n):
    return '%016d-%016x-0' % (1763712345000000 + n, 5)


def frame(kind, value):
    data = kind.encode() + (value if isinstance(value, bytes) else value.encode())
    return b'%d:%s,' % (len(data), data)


def message(n, options):
    head = options.get('head', '') + 'Received: by host (uid 0)\n\tid %s;\n\tSat, 21 Nov 2026 06:00:51 +0000\nSubject: message %d\nMessage-ID: <same@example.org>\n\n' % (key(n), n)
    if 'wire' in options:       # bytes with CRLF
        options = dict(options, text='x' * (int(options['wire']) - len(head) - head.count('\n') - 2))
    if 'text' in options:
        body = options['text'].encode().decode('unicode_escape').encode('latin-1')
    else:
        line = b'x' * 71 + b'\n'
        body = (line * (int(options.get('size', 4096)) // 72 + 1))[:int(options.get('size', 4096))]
    return head.encode() + body


def job(n, options):
    data = message(n, options)
    out = frame('J', '%s-0-%016x' % (key(n), 7)) + frame('D', options.get('drop', 'phone')) + frame('S', 'root')
    out += frame('A', 'arrival=1763712345000000')
    if options.get('unclear'):
        out += frame('A', 'unclear=1')
    for name in ('connections', 'timeout'):
        out += frame('A', '%s=%s' % (name, options[name])) if name in options else b''
    out += frame('R', 'frank')
    for at in range(0, min(len(data), INLINE), 60000):
        out += frame('B', data[at:min(at + 60000, INLINE)])
    return out


INLINE = 61440


def send_job(s, n, options):
    """A large message's rest goes as a descriptor."""
    size, rest = len(message(n, options)), None
    s.sendall(job(n, options))
    if size > INLINE:
        with tempfile.TemporaryFile() as rest:
            rest.write(b'before' + message(n, options)[INLINE:])
            rest.flush()
            socket.send_fds(s, [frame('F', '6 %d' % (size - INLINE))], [rest.fileno()])
    s.sendall(frame('E', ''))


def frames(s, deadline):
    buffer = b''
    while True:
        colon = buffer.find(b':')
        if colon > 0 and len(buffer) >= colon + 2 + int(buffer[:colon]):
            end = colon + 1 + int(buffer[:colon])
            yield buffer[colon + 1:end]
            buffer = buffer[end + 1:]
            continue
        s.settimeout(max(0.01, deadline - time.time()))
        try:
            got = s.recv(65536)
        except (socket.timeout, TimeoutError):
            return
        if not got:
            return
        buffer += got


def main():
    options = dict(a.split('=', 1) for a in sys.argv[3:])
    count, first = int(sys.argv[2]), int(options.get('first', 0))
    window = int(options.get('window', 256))
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(frame('H', 'test 1'))
    sent = answered = 0
    began = time.time()
    while sent < min(count, window):
        send_job(s, first + sent, options)
        sent += 1
    totals = {}
    for value in frames(s, began + float(options.get('wait', 30))) if count else ():
        kind = value[:1].decode()
        if kind in 'HY':
            continue
        answered += 1
        totals[kind] = totals.get(kind, 0) + 1
        if count <= 20:
            words = value[1:].decode('utf-8', 'replace').partition('\n')[0].split(' ', 3)
            print(kind, words[2], words[3])
        if sent < count:
            send_job(s, first + sent, options)
            sent += 1
        if answered == count:
            break
    print(' '.join('%s=%d' % t for t in sorted(totals.items())) or 'none', file=sys.stderr if count <= 20 else sys.stdout)
    if options.get('time'):
        print('%.3f s' % (time.time() - began), file=sys.stderr)


if __name__ == "__main__":
    main()
