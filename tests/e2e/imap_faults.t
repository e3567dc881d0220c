#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""deaddrop-imap against a server that plays every awkward answer, its bytes split at random."""
import base64, os, random, re, shutil, signal, socket, ssl, subprocess, sys, tempfile, threading, time

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
sys.dont_write_bytecode = True
import imap_jobs

top = os.path.dirname(os.path.dirname(here))
program = os.environ.get('DEADDROP_IMAP', top + '/build/bin/deaddrop-imap')
if not os.path.exists(program):
    print('1..0 # SKIP deaddrop-imap is not built')
    sys.exit(0)
scratch = tempfile.mkdtemp(prefix='deaddrop-test.', dir='/tmp')
seed = int(os.environ.get('SEED', time.time()))
rng = random.Random(seed)
count = failed = 0


def ok(good, name, note=''):
    global count, failed
    count += 1
    failed += not good
    print('%sok %d - %s' % ('' if good else 'not ', count, name))
    if not good:
        print('\n'.join('# ' + line for line in str(note).splitlines()[-25:]))
    sys.stdout.flush()


class Gone(Exception):
    pass


class Connection:
    def __init__(self, server, sock):
        self.server, self.sock, self.buffer = server, sock, b''

    def send(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        try:
            while data:
                cut = {'whole': len(data), 'bytes': 1, 'random': rng.choice((1, 2, 3, 7, 50, 1000, 100000))}[self.server.split]
                self.sock.sendall(data[:cut])
                data = data[cut:]
        except OSError:
            raise Gone()

    def fill(self):
        try:
            time.sleep(self.server.pace)
            got = self.sock.recv(65536)
        except OSError:
            raise Gone()
        if not got:
            raise Gone()
        self.buffer += got

    def line(self):
        while b'\r\n' not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b'\r\n', 1)
        return line

    def literal(self, n):
        while len(self.buffer) < n:
            self.fill()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data


class Server:
    """A server with one mailbox; a scenario overrides what it likes."""
    split = 'random'
    pace = 0            # seconds before each look at what has come
    slow = 0            # bytes of the kernel's buffer for it
    tls = None
    greeting = '* PREAUTH ready'
    caps = 'IMAP4rev1 LITERAL+'
    boxes = None
    mechanisms = {}

    def __init__(self, **overrides):
        self.store, self.connections, self.commands, self.appends, self.logins = [], 0, [], 0, 0
        self.boxes = ['INBOX']
        for name, value in overrides.items():
            setattr(self, name, value)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.slow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.slow)
        self.socket.bind(('127.0.0.1', 0))
        self.socket.listen(8)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.serve, args=(sock, self.connections), daemon=True).start()

    def serve(self, sock, n):
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            c = Connection(self, sock)
            c.n = n
            c.send(self.greeting + '\r\n')
            while True:
                self.command(c, c.line())
        except (Gone, OSError):
            pass
        finally:
            sock.close()

    def command(self, c, line):
        self.commands.append(line)
        tag, verb, *rest = line.decode('latin-1').split(' ', 2)
        rest = rest[0] if rest else ''
        verb = verb.upper()
        if verb == 'UID':
            verb, rest = 'UID' + rest.split(' ', 1)[0].upper(), rest.split(' ', 1)[1]
        getattr(self, 'do_' + verb, self.unknown)(c, tag, rest)

    def unknown(self, c, tag, rest):
        c.send(tag + ' BAD what?\r\n')

    def do_CAPABILITY(self, c, tag, rest):
        c.send('* CAPABILITY %s\r\n%s OK done\r\n' % (self.caps, tag))

    def do_NAMESPACE(self, c, tag, rest):
        c.send('* NAMESPACE (("INBOX." ".")) NIL NIL\r\n%s OK done\r\n' % tag)

    def do_LIST(self, c, tag, rest):
        if rest == '"" ""':
            c.send('* LIST (\\Noselect) "/" ""\r\n')
        elif rest[3:].strip('"') in self.boxes:
            c.send('* LIST () "/" {%d}\r\n%s\r\n' % (len(rest) - 5, rest[4:-1]))
        c.send(tag + ' OK done\r\n')

    def do_LOGOUT(self, c, tag, rest):
        c.send('* BYE bye\r\n%s OK done\r\n' % tag)
        raise Gone()

    def do_CREATE(self, c, tag, rest):
        self.boxes.append(rest.strip('"'))
        c.send(tag + ' OK done\r\n')

    do_SUBSCRIBE = do_CLOSE = lambda self, c, tag, rest: c.send(tag + ' OK done\r\n')

    def do_EXAMINE(self, c, tag, rest):
        if rest.strip('"') in self.boxes:
            c.send('* FLAGS (\\Seen)\r\n* %d EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1] hm\r\n%s OK [READ-ONLY] done\r\n' % (len(self.store), tag))
        else:
            c.send(tag + ' NO no such thing\r\n')

    def do_UIDSEARCH(self, c, tag, rest):
        wanted = rest.split('"')[1].encode()
        hits = [str(i + 1) for i, m in enumerate(self.store) if wanted in m] if self.searches else []
        c.send('* SEARCH%s\r\n%s OK done\r\n' % (''.join(' ' + h for h in hits), tag))

    searches = True

    def fetch(self, c, tag, rest):
        first, *_ = rest.split(' ', 1)
        if first.endswith(':*'):
            wanted = range(int(first[:-2]), len(self.store) + 1)
        else:
            wanted = [int(n) for n in first.split(',')]
        for n in wanted:
            field = re.search(rb'^Received:.*?\r\n(?![ \t])', self.store[n - 1], re.S | re.M)
            field = field.group(0) if field else b''
            c.send(b'* %d FETCH (UID %d BODY[HEADER.FIELDS (RECEIVED)] {%d}\r\n%s)\r\n' % (n, n, len(field) + 2, field + b'\r\n'))
        c.send(tag + ' OK done\r\n')

    do_FETCH = do_UIDFETCH = fetch

    def do_APPEND(self, c, tag, rest):
        box = re.match(r'"((?:[^"\\]|\\.)*)"', rest).group(1)
        box = box.encode('latin-1').decode('utf-8')
        messages = []
        while True:
            m = re.search(r'(~?)\{(\d+)(\+?)\}$', rest)
            if not m:
                break
            if not m.group(3):
                self.appends += not messages
                if not self.before_plus(c, tag, box, int(m.group(2))):
                    return
                c.send('+ go on\r\n')
            else:
                self.appends += not messages
            messages.append(c.literal(int(m.group(2))))
            rest = c.line().decode('latin-1')
        if box not in self.boxes:
            c.send(tag + ' NO [TRYCREATE] make it first\r\n')
        else:
            self.append(c, tag, messages)

    def before_plus(self, c, tag, box, size):
        return True

    def append(self, c, tag, messages):
        self.store += messages
        c.send(tag + ' OK [APPENDUID 1 %d] stored\r\n' % len(self.store))

    # logins, with TLS
    def do_LOGIN(self, c, tag, rest):
        words = []
        while True:
            m = re.search(r'\{(\d+)\}$', rest)
            if not m:
                break
            c.send('+ more\r\n')
            words.append(c.literal(int(m.group(1))))
            rest = c.line().decode('latin-1')
        if not words:
            words = [w.replace('\\"', '"').replace('\\\\', '\\').encode('latin-1') for w in re.findall(r'"((?:[^"\\]|\\.)*)"', rest)]
        self.logins += 1
        self.login_words = words
        c.send(tag + (' OK in\r\n' if words[1] == self.password else ' NO [AUTHENTICATIONFAILED] no\r\n'))

    password = b'secret'

    def do_AUTHENTICATE(self, c, tag, rest):
        name, *initial = rest.split(' ')
        self.logins += 1
        if initial:
            data = b'' if initial[0] == '=' else base64.b64decode(initial[0])
        else:
            c.send('+ \r\n')
            data = base64.b64decode(c.line())
        self.auth = (name, data)
        self.verdict(c, tag, name, data)

    def verdict(self, c, tag, name, data):
        good = data == b'\0frank\0' + self.password
        c.send(tag + (' OK [CAPABILITY %s X-AFTER] in\r\n' % self.caps if good else ' NO no\r\n'))


class Stage:
    def __init__(self, server, lines='', **options):
        self.directory = tempfile.mkdtemp(dir=scratch)
        self.server = server
        self.config = self.directory + '/imap.conf'
        self.path = self.directory + '/imap.ctrl'
        self.alive = []         # when a sign of life came, and whose
        with open(self.config, 'w') as f:
            f.write('drop phone { host localhost; port %d; %s; timeout %s; settle 1; create yes\n%s\n}\n' %
                    (server.port, options.get('tls', 'tls none'), options.get('timeout', 3), lines))
        self.start()

    def start(self):
        self.log = open(self.directory + '/log', 'a')
        self.process = subprocess.Popen([program, '--in', self.path, '--config', self.config, '-vv'], stderr=self.log, stdin=subprocess.DEVNULL)
        for _ in range(100):
            if os.path.exists(self.path) or self.process.poll() is not None:
                break
            time.sleep(0.05)

    def jobs(self, numbers, wait=12, **options):
        """Hands them in; the answers as {number: 'K 2.0.0 text'}."""
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.path)
        s.sendall(imap_jobs.frame('H', 'test 1'))
        for n in numbers:
            imap_jobs.send_job(s, n, options)
        answers, names = {}, {imap_jobs.key(n): n for n in numbers}
        for value in imap_jobs.frames(s, time.time() + wait):
            if value[:1] == b'Y':
                self.alive.append((time.time(), value[1:].decode()))
            if value[:1] in b'HY':
                continue
            words = value.decode('utf-8', 'replace').split(' ', 3)
            answers[names[words[0][1:].rsplit('-', 2)[0]]] = '%s %s %s' % (words[0][0], words[2], words[3])
            if len(answers) == len(numbers):
                break
        s.close()
        return answers

    def text(self):
        return open(self.directory + '/log').read()

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(12)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        self.server.socket.close()
        return self.process.returncode


def scenario(name, server, numbers, expected, stored, lines='', check=None, wait=12, options={}, **job):
    """expected: a pattern for all answers, or a function of them; stored: how many messages the server then has."""
    stage = Stage(server, lines, **options)
    answers = stage.jobs(numbers, wait, **job)
    good = len(answers) == len(numbers) and (all(re.match(expected, a) for a in answers.values()) if isinstance(expected, str) else expected(answers))
    status = stage.stop()
    ids = [m.group(1) for m in (re.search(rb'id (\S+);', m) for m in server.store) if m]
    once = stored is None or len(set(ids)) == len(ids) == stored
    more = check is None or check(stage)
    ok(good and once and more and status == 0, name, '%s\nstored %d, status %s, check %s\n%s' % (answers, len(ids), status, more, stage.text()[-3000:]))


def variant(**methods):
    return type('Variant', (Server,), methods)()


def each_way(name, methods, numbers, expected, stored, **more):
    for split in ('whole', 'bytes', 'random'):
        scenario('%s (%s)' % (name, split), variant(split=split, **methods), numbers, expected, stored, **more)


# ---- the plain ways ----
scenario('LITERAL+', Server(), range(3), 'K 2.0.0 INBOX uid=', 3)
scenario('synchronising literals, 64 KB', Server(caps='IMAP4rev1'), range(5), 'K', 5, size=64000)
scenario('LITERAL-: small ones at once, large ones after "+"', Server(caps='IMAP4rev1 LITERAL-'), range(2), 'K', 2, size=9000,
         check=lambda s: any(re.search(rb'\{\d+\}$', c) for c in s.server.commands))
scenario('LITERAL-: a small one', Server(caps='IMAP4rev1 LITERAL-'), range(2), 'K', 2, size=100,
         check=lambda s: all(b'+}' in c for c in s.server.commands if b'APPEND' in c))
scenario('MULTIAPPEND', Server(caps='IMAP4rev1 LITERAL+ MULTIAPPEND'), range(100), 'K 2.0.0 INBOX', 100, check=lambda s: s.server.appends < 60)
s = Server()
scenario('the exact length: CRLF at each line, one at the end', s, [1], 'K', 1, text='a\\n\\n.\\r\\nlast', check=lambda t: s.store[0].endswith(b'\r\n\r\na\r\n\r\n.\r\nlast\r\n') and
         not re.search(rb'(?<!\r)\n', s.store[0]))
s = Server()
scenario('flags and date', s, [1], 'K', 1, lines='flags "\\\\Seen \\\\Flagged server"',
         check=lambda t: any(b'(\\Seen \\Flagged server) "21-Nov-2025 08:05:45 +0000" {' in c for c in s.commands))
for line, head, date in (('date header', 'Date: Mon, 7 Feb 1994 21:52:25 -0800\n', b'" 8-Feb-1994 05:52:25 +0000" {'), ('date header', 'Date: soon\n', b'"21-Nov-2025 08:05:45 +0000" {'),
                         ('date now', '', b'() {')):
    s = Server()
    scenario('%s: %s' % (line, head.strip() or 'none'), s, [1], 'K', 1, lines=line, check=lambda t: any(date in c for c in s.commands), head=head)
for size, plus in ((4096, True), (4097, False)):
    s = Server(caps='IMAP4rev1 LITERAL-')
    scenario('LITERAL-: %d bytes' % size, s, [1], 'K', 1, check=lambda t: len(s.store[0]) == size and any(c.endswith(b'{%d%s}' % (size, b'+' if plus else b'')) for c in s.commands),
             wire=size)
s = Server(caps='IMAP4rev1 LITERAL+ NAMESPACE', boxes=['Mine!A!B'])
scenario('separator and prefix of our own', s, [1], 'K', 1, lines='mailbox "A/B"; separator "!"; prefix "Mine!"', check=lambda t: any(b'APPEND "Mine!A!B"' in c for c in s.commands) and
         not any(b'NAMESPACE' in c or b'LIST' in c for c in s.commands))
s = Server(caps='IMAP4rev1 LITERAL+ NAMESPACE', boxes=['INBOX.Server.A&-B'])
scenario('namespace, separator, modified UTF-7', s, [1], 'K', 1, lines='mailbox "Server/A&B"', check=lambda t: any(b'APPEND "INBOX.Server.A&-B"' in c for c in s.commands))
s = Server()
scenario('CREATE and SUBSCRIBE once', s, range(5), 'K', 5, lines='mailbox "Fä"',
         check=lambda t: sum(b'CREATE' in c for c in s.commands) == 1 and sum(b'SUBSCRIBE "F&AOQ-"' in c for c in s.commands) == 1)
s = Server()
s.do_CREATE = lambda c, tag, rest: c.send(tag + ' NO [CANNOT] not here\r\n')
scenario('CREATE refused: later, no loop', s, [1], 'Z 4.2.0', 0, lines='mailbox X', check=lambda t: s.appends == 2)
scenario('without create: later', Server(), [1], 'Z 4.2.0 X: NO .TRYCREATE', 0, lines='create no; mailbox X')
scenario('a NUL byte is refused for ever', Server(), [1], 'X 5.6.0', 0, text='a\\0b')
s = Server(caps='IMAP4rev1 LITERAL+ BINARY')
scenario('but goes as a binary literal', s, [1], 'K', 1, text='a\\0b', check=lambda t: any(b'~{' in c for c in s.commands))
scenario('APPENDLIMIT', Server(caps='IMAP4rev1 LITERAL+ APPENDLIMIT=2000'), [1], 'X 5.3.4', 0, check=lambda t: t.server.appends == 0)
scenario('a limit of our own', Server(), [1], 'X 5.3.4', 0, lines='limit 1K')



def status(self, c, tag, rest):
    c.send('* STATUS "INBOX" (APPENDLIMIT 2000)\r\n%s OK done\r\n' % tag)


scenario('a mailbox\'s own APPENDLIMIT, by STATUS', variant(caps='IMAP4rev1 LITERAL+ APPENDLIMIT', do_STATUS=status), [1], 'X 5.3.4', 0, check=lambda t: t.server.appends == 0)
scenario('a server that knows none', Server(caps='IMAP4rev1 LITERAL+ APPENDLIMIT'), range(3), 'K', 3, check=lambda t: sum(b'STATUS' in c for c in t.server.commands) == 1)
s = Server(caps='IMAP4rev1 LITERAL+ APPENDLIMIT=2000')
scenario('too big: its header with a note', s, [1], 'X 5.3.4 .*header is stored', None, lines='too-big note',
         check=lambda t: len(s.store) == 1 and s.store[0].startswith(b'Subject: message 1\r\n') and b'too big for this mailbox' in s.store[0])
s = Server(caps='IMAP4rev1 LITERAL+ UTF8=ACCEPT ENABLE', boxes=['Fä'])
s.do_ENABLE = lambda c, tag, rest: c.send('* ENABLED UTF8=ACCEPT\r\n%s OK\r\n' % tag)
scenario('UTF8=ACCEPT: names as they are', s, [1], 'K', 1, lines='utf8 yes; mailbox "Fä"', check=lambda t: any('APPEND "Fä"'.encode() in c for c in s.commands))
s = Server(caps='IMAP4rev1 LITERAL+ UTF8=ACCEPT ENABLE', boxes=['F&AOQ-'])
scenario('but only where it was asked for', s, [1], 'K', 1, lines='mailbox "Fä"', check=lambda t: not any(b'ENABLE' in c for c in s.commands))


def slow(self, c, tag, messages):
    time.sleep(0.05)
    Server.append(self, c, tag, messages)


s = variant(append=slow, caps='IMAP4rev1')
scenario('more connections for a backlog, each message once', s, range(300), 'K', 300, wait=40, lines='connections 4', check=lambda t: s.connections == 4)
s = variant(append=slow, caps='IMAP4rev1')
scenario("send's limit of connections counts where it is lower", s, range(300), 'K', 300, wait=60, lines='connections 4', check=lambda t: s.connections == 2, connections=2)
s = variant(append=slow, caps='IMAP4rev1')
scenario('ours counts where that is lower', s, range(90), 'K', 90, wait=40, lines='connections 1', check=lambda t: s.connections == 1, connections=9)
s = Server()
scenario('one connection where nothing else is said', s, range(300), 'K', 300, check=lambda t: s.connections == 1)

# a limit that is lowered while there is work: what is under way is finished, then all but one log out
s = variant(append=slow, caps='IMAP4rev1')
stage = Stage(s, 'connections 3')
first = threading.Thread(target=stage.jobs, args=(range(200), 40))
first.start()
while s.connections < 3 or len(s.store) < 30:
    time.sleep(0.05)
answers = stage.jobs(range(500, 510), 40, connections=1)
first.join()
left = sum(b'LOGOUT' in c for c in s.commands)
status = stage.stop()
ok(len(answers) == 10 and len(s.store) == len(set(s.store)) == 210 and left == 2 and status == 0, 'a limit that is lowered: those beyond it log out behind what they had', (len(s.store), left, stage.text()[-2000:]))


# ---- an idle connection ----
s = Server()
stage = Stage(s, 'keep-alive 2')
stage.jobs([1])
time.sleep(1)
stage.jobs([2])
kept = s.connections == 1 and not any(b'LOGOUT' in c for c in s.commands)
for _ in range(60):
    time.sleep(0.1)
    if any(b'LOGOUT' in c for c in s.commands):
        break
left = s.commands[-1].endswith(b'LOGOUT')
stage.jobs([3])
status = stage.stop()
ok(kept and left and s.connections == 2 and len(s.store) == 3 and 'account ' not in stage.text() and status == 0, 'an idle connection is used again, then closed with LOGOUT, and another opened for work',
   (kept, left, s.connections, stage.text()[-2000:]))


# ---- signs of life ----
def thinks(self, c, tag, messages):
    for _ in range(12 if self.talks else 1):
        c.send('* OK still working\r\n' if self.talks else '')
        time.sleep(0.25 if self.talks else 3)
    Server.append(self, c, tag, messages)


def keys(stage):
    return {k.split('-')[0] for t, k in stage.alive}


for talks, patience, name, jobs, expected in ((True, 4, 'while bytes move, all that wait are alive', 3, 3), (False, 4, 'while nothing moves, none is', 1, 0),
                                              (True, None, 'nobody listens: no sign of life', 1, 0)):
    scenario(name, variant(append=thinks, talks=talks, caps='IMAP4rev1'), range(jobs), 'K', jobs, wait=40, options={'timeout': 9},
             check=lambda t: len(keys(t)) == expected and (not expected or 6 <= len(t.alive) <= 30), **({'timeout': patience} if patience else {}))


# ---- refusals ----
for text, expected in (
        ('NO [TOOBIG] no', 'X 5.3.4'), ('BAD [TOOBIG] no', 'X 5.3.4'), ('BAD command line limit exceeded', 'X 5.3.4'), ('NO maximum message size exceeded', 'X 5.3.4'),
        ('NO [OVERQUOTA] full', 'Z 4.2.2'), ('NO Quota exceeded', 'Z 4.2.2'), ('NO [NOPERM] not into this one', 'Z 4.7.1 INBOX: NO .NOPERM. not into'),
        ('NO', 'Z 4.2.0'), ('BAD', 'Z 4.2.0'), ('NO [LIMIT] slow down', 'Z 4.3.2'), ('NO [UNAVAILABLE] later', 'Z 4.3.2'), ('NO [X-NEW what] ever', 'Z 4.2.0'),
        ('BAD [unclosed', 'Z 4.2.0'), ('NO Message contains bare newlines', 'X 5.6.0'), ('BAD unable to parse message', 'X 5.6.0')):
    scenario('APPEND: ' + text, variant(append=lambda self, c, tag, messages, text=text: c.send('* 3 EXISTS\r\n%s %s\r\n' % (tag, text))), [1], expected, 0)
    scenario('before "+": ' + text, variant(caps='IMAP4rev1', before_plus=lambda self, c, tag, box, size, text=text: c.send('* OK wait\r\n%s %s\r\n' % (tag, text))), [1], expected, 0)


def refuse_one(self, c, tag, messages):
    if any(imap_jobs.key(7).encode() + b';' in m for m in messages):
        c.send(tag + ' NO [TOOBIG] one of them\r\n')
    else:
        Server.append(self, c, tag, messages)


scenario('MULTIAPPEND: one refused does not fail the others', variant(caps='IMAP4rev1 LITERAL+ MULTIAPPEND', append=refuse_one), range(40),
         lambda a: all(v[0] == ('X' if n == 7 else 'K') for n, v in a.items()), 39)
scenario('pipelined: one refused does not fail the others', variant(append=refuse_one), range(40), lambda a: all(v[0] == ('X' if n == 7 else 'K') for n, v in a.items()), 39)


def multi_overquota(self, c, tag, messages):
    c.send(tag + ' NO [OVERQUOTA] full\r\n')


s = variant(append=multi_overquota)
scenario('over quota: the account is left alone', s, range(100), 'Z 4.2.2', 0, check=lambda t: s.appends <= 70)

# one account rests, another goes on
s, other = variant(append=multi_overquota), Server()
stage = Stage(s, '}\ndrop other { host localhost; port %d; tls none' % other.port)
first, at_once, beside = stage.jobs([1]), stage.jobs(range(2, 50)), stage.jobs(range(50, 60), drop='other')
status = stage.stop()
ok(first[1].startswith('Z 4.2.2') and s.appends == 1 and s.connections == 1 and len(at_once) == 48 and all(a.startswith('Z 4.2.2') for a in at_once.values()) and
   [a[0] for a in beside.values()] == ['K'] * 10 and status == 0, 'while an account rests its jobs are later at once; another goes on', (first, s.appends, beside, stage.text()[-2000:]))

# ---- the connection goes ----


def store_and_go(self, c, tag, messages):
    self.store += messages
    if c.n == 1:
        raise Gone()
    c.send(tag + ' OK\r\n')


scenario('stored, then silence of a closed connection: not twice', variant(append=store_and_go), range(4), 'K', 4)
scenario('the same where search finds nothing', variant(append=store_and_go, searches=False), range(4), 'K', 4)
scenario('the same with MULTIAPPEND', variant(append=store_and_go, caps='IMAP4rev1 LITERAL+ MULTIAPPEND'), range(40), 'K', 40)


def go_without(self, c, tag, messages):
    if c.n == 1:
        c.send('* BYE maintenance\r\n')
        raise Gone()
    Server.append(self, c, tag, messages)


scenario('BYE in the middle, not stored: again', variant(append=go_without), range(4), 'K', 4)


def bye_token(self, c, tag, messages):
    self.store += messages if c.n > 1 else []
    c.send('* BYE AccessTokenExpired\r\n' if c.n == 1 else tag + ' OK x\r\n')
    if c.n == 1:
        raise Gone()


scenario('BYE AccessTokenExpired: a new connection', variant(append=bye_token), [1], 'K', 1)


def untagged(text, close):
    def append(self, c, tag, messages):
        c.send(text + '\r\n')
        if close:
            raise Gone()
        time.sleep(40)
    return append


scenario('untagged BAD [TOOBIG], then it closes', variant(append=untagged('* BAD [TOOBIG] message too large', True)), [1], 'X 5.3.4', 0)
scenario('untagged BYE about the size', variant(append=untagged('* BYE maximum message size exceeded', True)), [1], 'X 5.3.4', 0)


def news(self, c, tag, messages):
    c.send('* NO almost full\r\n* 4 EXISTS\r\n* OK [ALERT] hello\r\n')
    Server.append(self, c, tag, messages)


scenario('untagged NO that is only news', variant(append=news), range(3), 'K', 3)


def silence(self, c, tag, messages):
    if c.n == 1:
        self.store += messages
        time.sleep(20)
    else:
        Server.append(self, c, tag, messages)


scenario('no answer ever: the deadline, then a look', variant(append=silence), [1], 'K 2.0.0 INBOX .was there', 1, options={'timeout': 2})


def hint(text):
    def append(self, c, tag, messages):
        c.send(text + '\r\n')
        while True:
            c.fill()
    return append


each_way('untagged BAD [TOOBIG], then silence', dict(append=hint('* BAD [TOOBIG] message too large')), [1], 'X 5.3.4 . BAD', 0, options={'timeout': 1})
each_way('silence', dict(append=silence), [1], 'K 2.0.0 INBOX .was there', 1, options={'timeout': 1})


def mute(self, c, line):
    if line.split(b' ')[1] != self.word:
        return Server.command(self, c, line)
    while True:
        c.fill()


for word in ('CAPABILITY', 'NAMESPACE', 'LIST', 'ENABLE'):
    scenario('silence in place of ' + word, variant(command=mute, word=word.encode(), caps='IMAP4rev1 ENABLE UTF8=ACCEPT' + (' NAMESPACE' if word == 'NAMESPACE' else '')), [1],
             'Z 4.4.2 .*no answer for [1-3] s, waiting for the answer to ' + word, 0, lines='mailbox A; utf8 yes', options={'timeout': 1})


class Deaf(Server):
    def serve(self, sock, n):
        for byte in self.says:
            time.sleep(0.4)
            sock.sendall(bytes([byte]))
        time.sleep(8)


scenario('silence in place of a greeting', type('V', (Deaf,), dict(says=b''))(), [1], 'Z 4.4.2 .*waiting for the greeting', 0, options={'timeout': 1})
scenario('silence in place of a TLS handshake', type('V', (Deaf,), dict(says=b''))(), [1], 'Z 4.4.2 .*waiting for the TLS handshake', 0, options={'timeout': 1, 'tls': 'verify no; user frank'},
         lines='password x')
scenario('a greeting in bytes: the deadline begins anew with each', type('V', (Deaf,), dict(says=b'* BYE slow\r\n'))(), [1], 'Z 4.4.2 .*BYE slow', 0, options={'timeout': 1})
s = variant(caps='IMAP4rev1 LITERAL+', pace=0.05, slow=4096)
scenario('a slow line: the deadline begins anew while the server takes bytes', s, [1], 'K', 1, size=400000, wait=60, options={'timeout': 2},
         check=lambda t: s.connections == 1 and len({k for _, k in t.alive}) == 1, timeout=4)


def trickle(self, c, tag, messages):
    if c.n > 1:
        return Server.append(self, c, tag, messages)
    while True:
        c.send('* OK still working\r\n')
        time.sleep(0.3)


scenario('talk without an answer does not last for ever', variant(append=trickle), [1], 'K', 1, wait=30, options={'timeout': 1})


def many_unclear(self, c, tag, messages):
    self.store += messages if c.n == 1 and len(self.store) < 100 else []
    if c.n == 1 and len(self.store) >= 100:
        raise Gone()
    if c.n > 1:
        self.store += messages
        c.send(tag + ' OK\r\n')


s = variant(append=many_unclear, caps='IMAP4rev1 LITERAL+')
scenario('hundreds unclear are looked for together', s, range(200), 'K', 200, wait=40, check=lambda t: sum(b' SEARCH' in c or b' FETCH' in c for c in s.commands) < 40)
s = variant(append=many_unclear, caps='IMAP4rev1 LITERAL+ MULTIAPPEND')
scenario('and with MULTIAPPEND', s, range(300), 'K', 300, wait=40)


def drop_always(self, c, tag, messages):
    raise Gone()


scenario('a message that always breaks the connection ends as later', variant(append=drop_always), [1], 'Z', 0, wait=60)


def junk(self, c, tag, messages):
    c.send('what is this\r\n' if c.n == 1 else tag + ' NO sorry\r\n')


scenario('junk in place of an answer: a new connection, a look', variant(append=junk), [1], 'Z 4.2.0', 0)
scenario('a greeting that never ends', variant(greeting='x' * 200000), [1], 'Z 4.5.0', 0)
scenario('a BYE for a greeting', variant(greeting='* BYE too many connections'), [1], 'Z 4.4.2 .*too many', 0)
scenario('a huge literal is not waited for', variant(greeting='* X {4000000000}'), [1], 'Z 4.5.0', 0)
s = Server()
s.socket.shutdown(socket.SHUT_RDWR)
s.socket.close()
scenario('connection refused', s, [1], 'Z 4.4.1 .*refused', 0)

# ---- an unclear job of a deliverer that was killed ----
s = Server(boxes=['INBOX'])
stage = Stage(s)
stage.jobs(range(10))
stage.process.kill()
stage.process.wait()
os.unlink(stage.path)
stage.start()
answers = stage.jobs(range(20), unclear=1)
status = stage.stop()
ok(len(answers) == 20 and all(a[0] == 'K' for a in answers.values()) and len(s.store) == 20 and status == 0, 'unclear jobs: ten are found, ten are appended', (answers, len(s.store), stage.text()[-2000:]))

# ---- logins, over TLS ----
certificate, key = scratch + '/cert.pem', scratch + '/key.pem'
made = shutil.which('openssl') and subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext',
                                                   'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate], stderr=subprocess.DEVNULL).returncode == 0
if made:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    secure = {'tls': 'ca-file ' + certificate + '; user frank'}

    def login(name, expected, stored, lines='password secret', check=None, **server):
        each_way(name, dict(dict(tls=tls, greeting='* OK hello'), **server), [1], expected, stored, lines=lines, options=secure, check=check)

    login('AUTHENTICATE PLAIN with SASL-IR', 'K', 1, caps='IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN', check=lambda t: 'secret\\' not in t.text() and 'c2VjcmV0' not in t.text())
    login('AUTHENTICATE PLAIN without', 'K', 1, caps='IMAP4rev1 LITERAL+ AUTH=PLAIN')
    login('LOGIN, quoted', 'K', 1, caps='IMAP4rev1 LITERAL+', check=lambda t: '"secret' not in t.text())
    login('LOGIN with a password of quotes', 'K', 1, caps='IMAP4rev1 LITERAL+', lines='password "se\\"c\\\\r et"', password=b'se"c\\r et')
    login('LOGIN with literals', 'K', 1, caps='IMAP4rev1 LITERAL+', lines='password "sécret"', password='sécret'.encode())
    login('LOGINDISABLED and no mechanism', 'Z 4.7.8', 0, caps='IMAP4rev1 LOGINDISABLED', check=lambda t: t.server.logins == 0)
    login('a wrong password: later, one alarm', 'Z 4.7.8', 0, caps='IMAP4rev1 AUTH=PLAIN', lines='password wrong', check=lambda t: t.text().count('imap: alarm ') == 1 and t.server.logins == 1)

    def token_no(self, c, tag, name, data):
        c.send('+ ' + base64.b64encode(b'{"status":"400"}').decode() + '\r\n')
        self.empty = c.line()
        c.send(tag + ' NO refused\r\n')

    open(scratch + '/token', 'w').write('abc.def\n')
    os.chmod(scratch + '/token', 0o644)
    login('XOAUTH2 refused: an empty line, then NO', 'Z 4.7.8', 0, caps='IMAP4rev1 SASL-IR AUTH=XOAUTH2', lines='token-file ' + scratch + '/token', verdict=token_no,
          check=lambda t: t.server.empty == b'' and t.server.auth[1] == b'user=frank\x01auth=Bearer abc.def\x01\x01')
    login('XOAUTH2 with a token from a command', 'K', 1, caps='IMAP4rev1 LITERAL+ AUTH=XOAUTH2', lines='token-command "printf x.y"',
          verdict=lambda self, c, tag, name, data: c.send(tag + ' OK\r\n'), check=lambda t: b'Bearer x.y' in t.server.auth[1])
    # the token lasts for one connection
    counter = scratch + '/counter'

    def once_only(self, c, tag, name, data):
        self.tokens = getattr(self, 'tokens', []) + [data]
        c.send(tag + ' OK in\r\n')

    for mechanism in ('XOAUTH2', 'OAUTHBEARER'):
        for split in ('whole', 'bytes', 'random'):
            open(counter, 'w').close()
            s = type('Variant', (Server,), dict(tls=tls, greeting='* OK hello', caps='IMAP4rev1 LITERAL+ SASL-IR AUTH=' + mechanism, verdict=once_only, append=bye_token, split=split))()
            scenario('BYE AccessTokenExpired: a new connection with a new token, %s (%s)' % (mechanism, split), s, [1], 'K', 1, options=secure,
                     lines='token-command "echo x >> %s; echo token$(wc -l < %s)"' % (counter, counter),
                     check=lambda t: [re.search(rb'token\d+', d).group(0) for d in s.tokens] == [b'token1', b'token2'])
    for word in ('LOGIN', 'AUTHENTICATE'):
        s = type('Variant', (Server,), dict(tls=tls, greeting='* OK hello', caps='IMAP4rev1' + (' AUTH=PLAIN' if word != 'LOGIN' else ''), command=mute, word=word.encode()))()
        scenario('silence in place of ' + word, s, [1], 'Z 4.4.2 .*waiting for the answer to ' + word, 0, lines='password secret', options=dict(secure, timeout=1))
    login('a password from a command', 'K', 1, caps='IMAP4rev1 LITERAL+ AUTH=PLAIN', lines='password-command "echo secret"')
    login('a command that fails', 'Z 4.7.8', 0, lines='password-command "exit 3"', check=lambda t: t.server.logins == 0)
    with open(scratch + '/binary', 'wb') as f:
        f.write(b'\xff\xfe\x01 "\\{3}\r\nx \x80\n')
    login('a password of any bytes', 'K', 1, caps='IMAP4rev1 LITERAL+', lines='password-file ' + scratch + '/binary', password=b'\xff\xfe\x01 "\\{3}\r\nx \x80')

    def starttls(self, c, tag, rest):
        c.send(tag + ' OK go\r\n')
        c.sock, self.caps = tls.wrap_socket(c.sock, server_side=True), self.later

    for before, later, words, name in (('LITERAL+ AUTH=PLAIN', '', 'LOGIN', 'what was offered before counts no more'),
                                       ('LOGINDISABLED', 'LITERAL+ AUTH=PLAIN', 'AUTHENTICATE', 'what is offered now counts')):
        each_way('STARTTLS: ' + name, dict(greeting='* OK hello', caps='IMAP4rev1 STARTTLS ' + before, later='IMAP4rev1 ' + later, do_STARTTLS=starttls), [1], 'K', 1,
                 lines='password secret', options={'tls': 'tls starttls; ca-file ' + certificate + '; user frank'},
                 check=lambda t: [c.split()[1].decode() for c in t.server.commands][:5] == ['CAPABILITY', 'STARTTLS', 'CAPABILITY', words, 'CAPABILITY' if words == 'LOGIN' else 'APPEND'] and
                 any(re.search(rb'\{\d+\+\}$' if later else rb'\{\d+\}$', c) for c in t.server.commands if b'APPEND' in c))
    s = type('Variant', (Server,), dict(tls=tls, greeting='* OK hello', caps='IMAP4rev1 LITERAL+'))()
    scenario('a certificate that nobody vouches for', s, [1], 'Z 4.7.5', 0, lines='password secret', options={'tls': 'user frank'}, check=lambda t: s.logins == 0)
    scenario('a password is not sent in clear', Server(greeting='* OK hello', caps='IMAP4rev1 LITERAL+ AUTH=PLAIN'), [1], 'Z 4.7.8 .*(TLS|clear|suffice)?', 0, lines='user frank; password secret',
             check=lambda t: t.server.logins == 0)
    s = Server(greeting='* OK hello', caps='IMAP4rev1 STARTTLS')
    s.do_STARTTLS = lambda c, tag, rest: c.send(tag + ' OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n')
    s.split = 'whole'
    scenario('bytes behind the OK of STARTTLS are an attack', s, [1], 'Z 4.7.5', 0, lines='password secret', options={'tls': 'tls starttls; ca-file ' + certificate + '; user frank'})
    scenario('STARTTLS that is not offered', Server(greeting='* OK hello'), [1], 'Z 4.7.5', 0, lines='password secret', options={'tls': 'tls starttls; ca-file ' + certificate + '; user frank'})
    scenario('PREAUTH where STARTTLS is wanted', Server(), [1], 'Z', 0, lines='password secret', options={'tls': 'tls starttls; ca-file ' + certificate + '; user frank'})

shutil.rmtree(scratch)
print('# seed %d' % seed)
print('1..%d' % count)
sys.exit(failed != 0)
