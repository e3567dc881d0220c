#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that refuses each login, and says in its answer what it was told: `echo_server.py imap MECHANISMS` on standard input and output, `echo_server.py smtp PORT MECHANISMS`."""
import base64, socket, sys


def imap(mechanisms, read, write):
    write('* OK [CAPABILITY IMAP4rev1 %s] ready' % ' '.join('AUTH=' + m for m in mechanisms.split()))
    while True:
        line = read()
        if not line:
            return
        tag, _, rest = line.partition(' ')
        verb = rest.split(' ')[0].upper()
        if verb == 'AUTHENTICATE':
            said = rest
            for challenge in {'PLAIN': [''], 'LOGIN': ['Username:', 'Password:'], 'XOAUTH2': ['']}[rest.split(' ')[1]]:
                write('+ ' + base64.b64encode(challenge.encode()).decode())
                said = read()
                write('* NO what a line: ' + said)
            if rest.endswith('XOAUTH2'):
                write('+ ' + base64.b64encode(b'{"status":"401","said":"' + base64.b64decode(said) + b'"}').decode())
                said += read()
            write('%s NO cannot log in with %s' % (tag, said))
        elif verb == 'LOGIN':
            write('%s NO cannot log in with %s' % (tag, rest))
        else:
            write('%s OK' % tag)


def smtp(mechanisms, read, write):
    write('220 echo')
    while True:
        line = read()
        if not line:
            return
        verb = line.split(' ')[0].upper()
        if verb == 'EHLO':
            write('250-echo')
            write('250 AUTH ' + mechanisms)
        elif verb == 'AUTH':
            said = line
            if line == 'AUTH LOGIN':
                for challenge in 'Username:', 'Password:':
                    write('334 ' + base64.b64encode(challenge.encode()).decode())
                    said = read()
            if line.startswith('AUTH XOAUTH2'):
                write('334 ' + base64.b64encode(b'{"said":"' + base64.b64decode(line.split(' ')[2]) + b'"}').decode())
                said += read()
            write('535-5.7.8 cannot log in')
            write('535 5.7.8 with ' + said)
        else:
            write('250 ok')


def serve(protocol, mechanisms, stream_in, stream_out):
    def write(line):
        stream_out.write(line.encode() + b'\r\n')
        stream_out.flush()
    protocol(mechanisms, lambda: stream_in.readline().decode().rstrip('\r\n'), write)


if sys.argv[1] == 'imap':
    serve(imap, ' '.join(sys.argv[2:]), sys.stdin.buffer, sys.stdout.buffer)
else:
    listener = socket.create_server(('127.0.0.1', int(sys.argv[2])))
    print(listener.getsockname()[1], flush=True)
    while True:
        client = listener.accept()[0].makefile('rwb')
        try:
            serve(smtp, ' '.join(sys.argv[3:]), client, client)
        except OSError:
            pass
