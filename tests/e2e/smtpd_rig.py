# SPDX-License-Identifier: GPL-3.0-or-later
# What the tests of smtpd share: TAP, a queue and a smtpd to start, a client that says exactly what it is told to. What was accepted is read in the journal.
import glob, os, re, shutil, signal, socket, subprocess, sys, tempfile, time

top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
bin = os.environ.get('DEADDROP_BIN', top + '/build/bin')
smtpd_program, queue_program = bin + '/deaddrop-smtpd', bin + '/deaddrop-queue'
scratch = tempfile.mkdtemp(prefix='deaddrop-test.')
queue_socket = scratch + '/queue.ctrl'
tap = 0


def ok(good, name, detail=''):
    global tap
    tap += 1
    print(('ok' if good else 'not ok'), tap, '-', name, flush=True)
    if not good and detail != '':
        print('\n'.join('# ' + line for line in str(detail)[:2000].splitlines()), flush=True)


def is_(got, wanted, name):
    ok(got == wanted, name, 'got %r, wanted %r' % (got, wanted))


def skip(name, why):
    global tap
    tap += 1
    print('ok', tap, '# SKIP', name + ':', why, flush=True)


def wait_for(what, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    return what()


# ---- the programs ----
class Queue:
    def __init__(self, *options):
        self.options = options
        os.makedirs(scratch + '/journal', exist_ok=True)
        self.log = open(scratch + '/queue.log', 'ab')
        self.process = None

    def start(self):
        self.process = subprocess.Popen([queue_program, '--in-trust', queue_socket, '--spool', scratch, *self.options], stdin=subprocess.DEVNULL, stderr=self.log)
        wait_for(lambda: os.path.exists(queue_socket))

    def stop(self, signal_=signal.SIGTERM):
        self.process.send_signal(signal_)
        self.process.wait()


def records():
    """The messages in the journal, as (header, body)."""
    found = []
    for name in sorted(glob.glob(scratch + '/journal/*')):
        try:
            data = open(name, 'rb').read()
        except FileNotFoundError:       # made ahead of need, and not needed
            continue
        for m in re.finditer(rb'(?m)^%deaddrop 1 [0-9a-f]{16} \d+ (\d+) .*\n', data):
            end = data.index(b'\n\n', m.end()) + 2
            head = data[m.start():end].decode()
            found.append((head, data[end:end + int(m.group(1))]))
    return found


def with_subject(subject):
    return [r for r in records() if b'Subject: ' + subject.encode() + b'\n' in r[1]]


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Smtpd:
    def __init__(self, conf='', *options, under=(), out=None, **popen):
        self.port = free_port()
        self.conf = tempfile.NamedTemporaryFile('w', dir=scratch, suffix='.conf', delete=False)
        self.conf.write(conf if re.search(r'(?m)^name ', conf) else 'name mx.example\n' + conf)
        self.conf.close()
        self.log = tempfile.NamedTemporaryFile('wb', dir=scratch, suffix='.log', delete=False)
        self.process = subprocess.Popen([*under, smtpd_program, '--config', self.conf.name, '--out', out or queue_socket,
                                         '--port', str(self.port), *options], stdin=subprocess.DEVNULL, stderr=self.log, **popen)
        wait_for(lambda: b'smtpd: start' in self.lines() or self.process.poll() is not None)

    def lines(self):
        return open(self.log.name, 'rb').read()

    def stop(self, signal_=signal.SIGTERM):
        self.process.send_signal(signal_)
        return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Raw:
    """A client that says exactly what it is told to."""
    def __init__(self, port=None, path=None, greet=True, timeout=10):
        self.s = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.s.settimeout(timeout)
        self.s.connect(path if path else ('127.0.0.1', port))
        self.buffer = b''
        if greet:
            self.read()

    def read(self):
        """One reply, or what there is at the end."""
        while not re.search(rb'(?m)^\d\d\d .*\r\n', self.buffer):
            try:
                more = self.s.recv(65536)
            except (ConnectionError, socket.timeout):
                more = b''
            if not more:
                rest, self.buffer = self.buffer, b''
                return rest.decode()
            self.buffer += more
        end = re.search(rb'(?m)^\d\d\d .*\r\n', self.buffer).end()
        reply, self.buffer = self.buffer[:end], self.buffer[end:]
        return reply.decode()

    def say(self, text, replies=1):
        try:
            self.s.sendall(text if isinstance(text, bytes) else text.encode())
        except ConnectionError:
            pass
        return [self.read()[-200:] if replies > 1 else self.read() for _ in range(replies)] if replies != 1 else self.read()

    def rest(self):
        """All that still comes, until the server closes."""
        data = self.buffer
        self.buffer = b''
        while True:
            try:
                more = self.s.recv(65536)
            except (ConnectionError, socket.timeout):
                break
            if not more:
                break
            data += more
        return data.decode()

    def close(self):
        self.s.close()


ENVELOPE = 'EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\nDATA\r\n'


def message(subject, text='hello\r\n'):
    return 'Subject: %s\r\n\r\n%s.\r\n' % (subject, text)


def certificate():
    key, cert = scratch + '/key.pem', scratch + '/cert.pem'
    if not os.path.exists(cert):
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
                        '-keyout', key, '-out', cert], check=True, stderr=subprocess.DEVNULL)
    return cert, key


def secrets():
    name = scratch + '/users'
    verifier = subprocess.run([smtpd_program, '--verifier'], input=b'pass word#"\n', stdout=subprocess.PIPE).stdout.decode()
    with open(name, 'w') as f:
        f.write('# users\nanne:{PLAIN}tiger\nbert:%s' % verifier)
    os.chmod(name, 0o600)
    return name


def run(tests, queue=None, keep=False):
    """Every test_… of tests, or those that the command line names."""
    if not queue:
        queue = Queue()
        queue.start()
    wanted = sys.argv[1:]
    try:
        for name, test in list(tests.items()):
            if name.startswith('test_') and (not wanted or name[5:] in wanted):
                try:
                    test(queue) if test.__code__.co_argcount else test()
                except Exception:
                    import traceback
                    ok(False, name + ' ran to its end', traceback.format_exc())
    finally:
        if queue.process.poll() is None:
            queue.stop()
        if not keep:
            shutil.rmtree(scratch)
    print('1..%d' % tap)
