# SPDX-License-Identifier: GPL-3.0-or-later
"""Mailboxes on disk for imports, and what a server must hold afterwards.

imap_import.py make DIRECTORY COUNT [plain]	makes DIRECTORY/Maildir, DIRECTORY/mbox and what is expected of them; plain: no header in 8 bits, none that is missing
imap_import.py compare DIRECTORY NAME HOST PORT CAFILE USER PASSWORDFILE MAILBOX	prints "same", or what differs
"""
import calendar, datetime, imaplib, os, pickle, random, re, ssl, sys, time


def crlf(data):
    """What the server must hold: CRLF at each line's end, at the end of the message too, and an empty line behind a header that nothing ends."""
    data = re.sub(rb'(?<!\r)\n', b'\r\n', data)
    data += b'' if data.endswith(b'\r\n') else b'\r\n'
    return data


def bodies(count, rng, plain):
    """Messages as bytes with LF; among them such that only their bytes tell apart."""
    head = 'Date: Sat, 21 Nov 2026 06:%02d:51 +0100\nFrom: cron <root@host>\nSubject: job %s\n'
    for i in range(count):
        identity = 'Message-ID: <%d@import.example>\n' % i if i % 3 else ''
        text = ''.join('line %d of %d\n' % (n, i) for n in range(rng.randrange(200)))
        yield (identity + head % (i % 60, i) + '\n' + text).encode()
    for i in range(8):                                      # equal in all that a survey sees, but not in their bytes
        yield (head % (1, 'twin') + '\ncount: %d\n' % (10 + i)).encode()
    for i in range(3):                                      # equal in everything
        yield (head % (2, 'copy') + '\nthe same\n').encode()
    yield b'Message-ID: <same@example>\nSubject: direct\n\none\n'
    yield b'Received: by list\nMessage-ID: <same@example>\nSubject: direct\n\none, by a list\n'
    yield b'Subject: no newline at the end\n\nlast'
    if plain:
        return
    yield b'Subject: =?utf-8?q?=C3=BC?=\n folded\n\tand more\nFrom: \xfcml\xe4ut\n\n\xe4\xf6\xfc\xff\n'
    yield b'no header at all\n\nbut text\n'
    yield b'Subject: dots\n\n.\n..\n.\n'
    yield b'Subject: from\n\nFrom here on it is text\n\nFrom me\n'
    yield b'X: ' + b'y' * 70000 + b'\nSubject: a long field\n\nx\n'
    yield b'Subject: one long line\n\n' + b'z' * 300000 + b'\n'
    yield b'Subject: large\n\n' + b'0123456789abcdef' * 64 * 2000 + b'\n'


def make_maildir(path, messages, expected, rng):
    letters = {'S': '\\Seen', 'R': '\\Answered', 'F': '\\Flagged', 'T': '\\Deleted', 'D': '\\Draft'}
    for name in ('cur', 'new', 'tmp'):
        os.makedirs(os.path.join(path, name))
    for i, data in enumerate(messages):
        flags = ''.join(c for c in 'DFRST' if rng.random() < .3)
        date = 1400000000 + (0 if b'twin' in data or b'copy' in data else i * 1000)
        fresh = not flags and rng.random() < .5
        file = os.path.join(path, 'new' if fresh else 'cur', '%d.M%dP1.host%s' % (1500000000 + i, i, '' if fresh else ':2,' + flags))
        with open(file, 'wb') as f:
            f.write(data)
        os.utime(file, (date, date))
        expected.append((crlf(data), frozenset(letters[c] for c in flags), date))


def make_mbox(path, messages, expected, rng):
    with open(path, 'wb') as f:
        for i, data in enumerate(messages):
            date = 1300000000 + i * 777
            flags, status, xstatus = set(), '', ''
            if rng.random() < .4:
                status, flags = 'RO', flags | {'\\Seen'}
            for c, flag in (('A', '\\Answered'), ('F', '\\Flagged'), ('D', '\\Deleted'), ('T', '\\Draft')):
                if rng.random() < .2:
                    xstatus, flags = xstatus + c, flags | {flag}
            own = data
            if data.startswith(b'Subject') or data.startswith(b'Message-ID'):
                own = (b'Status: ' + status.encode() + b'\n' if status else b'') + data.replace(b'\n\n', b'\n' + (b'X-Status: ' + xstatus.encode() + b'\n' if xstatus else b'') + b'\n', 1)
            else:
                flags = set()
            when = time.strftime('%a %b %e %H:%M:%S %Y', time.localtime(date)) if i % 2 else time.strftime('%a %b %d %H:%M:%S %Y +0000', time.gmtime(date))
            f.write(b'From some one@example ' + when.encode() + b'\n' + re.sub(rb'^(>*From )', rb'>\1', own, flags=re.M))
            last = i == len(messages) - 1
            f.write(b'' if last else b'\n' if own.endswith(b'\n') else b'\n\n')
            expected.append((crlf(data), frozenset(flags), date))


def make(directory, count, plain=''):
    rng = random.Random(7)
    maildir, mbox, sub, deep = [], [], [], []
    make_maildir(directory + '/Maildir', list(bodies(count, rng, plain)), maildir, rng)
    make_maildir(directory + '/Maildir/.Lists.&ANw-bung', list(bodies(5, rng, plain)), sub, rng)
    make_maildir(directory + '/Maildir/.Old', [b'Subject: x\n\nx\n'], deep, rng)
    make_mbox(directory + '/mbox', list(bodies(count, rng, plain)) + [b'Subject: no final newline\n\nlast'], mbox, rng)
    # what must not be followed, opened or waited for
    cur = directory + '/Maildir/cur/'
    os.symlink('/etc/passwd', cur + '1.symlink:2,')
    os.mkfifo(cur + '2.fifo:2,S')
    os.mkdir(cur + '3.directory:2,')
    os.symlink('/etc', directory + '/Maildir/.Linked')
    os.symlink(directory + '/Maildir/cur', directory + '/Maildir/.hidden')
    for name, value in (('Maildir', maildir), ('mbox', mbox), ('sub', sub), ('old', deep)):
        with open(directory + '/' + name + '.expected', 'wb') as f:
            pickle.dump(value, f)


def connect(host, port, cafile, user, password):
    context = ssl.create_default_context(cafile=cafile)
    server = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
    server.login(user, open(password).read().rstrip('\n'))
    return server


def fetch(server, mailbox):
    status, answer = server.select('"%s"' % mailbox, readonly=True)
    found = []
    if status != 'OK' or answer == [b'0']:
        return found
    for item in server.fetch('1:*', '(FLAGS INTERNALDATE BODY.PEEK[])')[1]:
        if not isinstance(item, tuple):
            continue
        flags = frozenset(f.decode() for f in imaplib.ParseFlags(item[0]) if f != b'\\Recent')
        date = re.search(rb'INTERNALDATE "(.*?)"', item[0]).group(1).decode().strip()
        found.append((item[1], flags, int(datetime.datetime.strptime(date, '%d-%b-%Y %H:%M:%S %z').timestamp())))
    return found


def compare(directory, name, host, port, cafile, user, password, mailbox):
    expected = pickle.load(open(directory + '/' + name + '.expected', 'rb'))
    found = fetch(connect(host, port, cafile, user, password), mailbox)
    missing, more = list(expected), []
    for message in found:
        try:
            missing.remove(message)
        except ValueError:
            more.append(message)
    if not missing and not more:
        print('same')
        return
    print('%d expected, %d found; missing %d, too many %d' % (len(expected), len(found), len(missing), len(more)))
    for kind, messages in (('missing', missing), ('too many', more)):
        for data, flags, date in messages[:3]:
            print(kind, sorted(flags), date, len(data), data[:300])


if __name__ == '__main__':
    if sys.argv[1] == 'make':
        make(sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
    else:
        compare(*sys.argv[2:])
