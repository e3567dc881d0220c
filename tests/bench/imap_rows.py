# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of tests/bench/imap: each appends COUNT messages of SIZE bytes to an empty INBOX, from no connection at all to the last answer.

limit    bare clients that have all bytes of all commands ready, send them without waiting for anything but the login, and count the answers: the best of
         pipe (one APPEND a message) and multi N (MULTIAPPEND, N messages each)
ours     deaddrop-imap as a stage, confined, fed through its control socket as send does; to the last answer
chain    queue, send and imap: from the first message handed to queue to the last in the mailbox
imaplib, fdm, mbsync, curl: theirs in the way their manuals show, from start to exit. Where one message at a time would take minutes a sample is taken, and so marked.

The figures are medians over the turns, the limit that of the best of its kinds: TURNS=N turns (15), but few of those that take several times as long as
the fastest, and one of those that need a sample.
"""
import imaplib, os, re, shutil, socket, ssl, statistics, subprocess, sys, time

scratch, binaries, tools, imaps = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
tools += '/bench/'
password = open(scratch + '/password').read()
mail = os.path.realpath(scratch + '/dovecot/mail') + '/frank'
ca = scratch + '/dovecot/cert.pem'
work = scratch + '/work'
CELLS = ['loop/500x4K', 'loop/5000x4K', 'loop/100x1M', 'far/500x4K', 'far/5000x4K', 'far/100x1M']
DELAY = 20
FEW = 2
SLOW = {'far': {'fdm': 25, 'imaplib': 100, 'curl': 100}, 'loop': {'fdm': 200, 'imaplib': 2000, 'curl': 2000}}


def received(n):
    """What comes before a message that went through the chain, as imap_feed writes it: the limit sends the same bytes."""
    return b'Received: by host (uid 0)\n\tid 1796080000000000-0123456789abcdef-%d;\n\tSat, 21 Nov 2026 06:00:51 +0000\n' % n


def message(size):
    head = b'From: root@example.org\nTo: frank@example.org\nSubject: a message of a benchmark\nDate: Sat, 21 Nov 2026 06:00:51 +0000\nMessage-ID: <one@example.org>\n\n'
    line = b'Twelve bytes and some more words that make a line of ordinary text.\n'
    return head + (line * (size // len(line) + 1))[:size - len(head) - 1] + b'\n'


def context():
    return ssl.create_default_context(cafile=ca)


def stored():
    return sum(len(os.listdir(mail + '/Maildir/' + d)) for d in ('new', 'cur') if os.path.isdir(mail + '/Maildir/' + d))


def forget():
    """The server has forgotten the mailbox when its processes are gone."""
    for _ in range(200):
        if not subprocess.run(['pgrep', '-f', '^dovecot/imap$'], stdout=subprocess.DEVNULL).returncode == 0:
            break
        time.sleep(0.05)
    shutil.rmtree(mail, ignore_errors=True)
    os.mkdir(mail)
    shutil.chown(mail, 'nobody')


def empty():
    forget()
    shutil.rmtree(work, ignore_errors=True)
    os.mkdir(work)
    os.chmod(work, 0o755)
    os.sync()


# ---- the limit ----
def bare(port, count, data, group):
    pieces = []
    for n in range(count):
        whole = (received(n) + data).replace(b'\n', b'\r\n')
        pieces.append(b' () "21-Nov-2026 06:00:51 +0000" {%d+}\r\n' % len(whole) + whole)
    commands = [b'a APPEND INBOX' + b''.join(pieces[n:n + group]) + b'\r\n' for n in range(0, count, group)]
    begun = time.time()
    s = socket.create_connection(('localhost', port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s = context().wrap_socket(s, server_hostname='localhost')
    s.recv(65536)
    s.sendall(b'l LOGIN frank "%s"\r\n' % password.replace('\\', '\\\\').replace('"', '\\"').encode())
    got = b''
    while b'\nl OK' not in b'\n' + got:
        got += s.recv(65536)
    s.setblocking(False)
    import select
    answers, waiting, sent, rest = 0, list(reversed(commands)), 0, b''
    current = memoryview(waiting.pop())
    while answers < len(commands):
        try:
            while current is not None:
                sent += s.send(current[sent:sent + 65536])
                if sent == len(current):
                    current, sent = memoryview(waiting.pop()) if waiting else None, 0
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        try:
            while True:
                rest += s.recv(65536)
                *lines, rest = rest.split(b'\r\n')
                for line in lines:
                    if line.startswith(b'a '):
                        answers += 1
                        if not line.startswith(b'a OK'):
                            raise SystemExit(line)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        if answers < len(commands):
            select.select([s], [s] if current is not None else [], [])
    taken = time.time() - begun
    s.close()
    return taken, count


# ---- ours ----
def start(name, *arguments):
    log = open(scratch + '/log.' + name, 'a')
    return subprocess.Popen([binaries + '/deaddrop-' + name, *arguments], stdin=subprocess.DEVNULL, stderr=log, stdout=log)


def wait_for(path):
    for _ in range(200):
        if os.path.exists(path):
            return
        time.sleep(0.02)
    raise SystemExit('nothing listens at ' + path)


def imap_stage(port):
    with open(scratch + '/imap.conf', 'w') as f:
        f.write('drop phone { host localhost; port %d; ca-file %s; user frank; password-file password; keep-alive 1s }\n' % (port, ca))
    os.chmod(scratch + '/imap.conf', 0o600)
    os.makedirs(scratch + '/jail', exist_ok=True)
    process = start('imap', '--in', work + '/imap.ctrl', '--config', scratch + '/imap.conf', '--chroot', scratch + '/jail', '--user', 'nobody', *os.environ.get('OURS', '').split())
    wait_for(work + '/imap.ctrl')
    return process


def stop(process):
    process.terminate()
    process.wait()


def ours(port, count, data):
    stage = imap_stage(port)
    open(work + '/message', 'wb').write(data)
    feed = lambda n: float(subprocess.run([tools + 'imap_feed', work + '/imap.ctrl', 'phone', work + '/message', str(n)], stdout=subprocess.PIPE, check=True).stdout)
    feed(1)         # a stage runs for months, and this process that is the limit has had its first connection too
    forget()        # once that one has been closed
    taken = feed(count)
    stop(stage)
    return taken, count


def chain(port, count, data):
    for name in ('journal', 'outcome', 'deferred', 'dead', 'status'):
        os.mkdir(work + '/' + name)
    with open(work + '/send.conf', 'w') as f:
        f.write('route all to imap:phone\npostmaster imap:phone\n')
    stages = [imap_stage(port),
              start('send', '--in', work + '/send.ctrl', '--out', work + '/imap.ctrl', '--out', work + '/local.ctrl', '--spool', work, '--config', work + '/send.conf'),
              start('queue', '--in', work + '/queue.ctrl', '--out', work + '/send.ctrl', '--spool', work)]
    wait_for(work + '/queue.ctrl')
    begun = time.time()
    subprocess.run([tools + 'submit_many', work + '/queue.ctrl', '20', str(count), str(len(data))], stdout=subprocess.DEVNULL, check=True)
    while stored() < count and time.time() < begun + 60:
        time.sleep(0.01)
    taken = time.time() - begun
    if os.environ.get('DEBUG'):
        subprocess.run('tail -n 5 %s/log.*' % scratch, shell=True)
    for process in reversed(stages):
        stop(process)
    return taken, count


# ---- the peers ----
def by_imaplib(port, count, data):
    data = data.replace(b'\n', b'\r\n')
    begun = time.time()
    m = imaplib.IMAP4_SSL('localhost', port, ssl_context=context())
    m.login('frank', password)
    for _ in range(count):
        if m.append('INBOX', None, None, data)[0] != 'OK':
            raise SystemExit('imaplib: refused')
    m.logout()
    return time.time() - begun, count


def make_maildir(path, count, data):
    for name in ('new', 'cur', 'tmp'):
        os.makedirs(path + '/' + name)
    for n in range(count):
        open('%s/new/%d.%d.host' % (path, 1763712345 + n, n), 'wb').write(data)


def run(*command, **options):
    begun = time.time()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, HOME=work, SSL_CERT_FILE=ca), **options)
    if done.returncode:
        raise RuntimeError('%s: %s' % (command[0], done.stdout[-300:]))
    return time.time() - begun


def quoted(text):
    return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"')


def by_fdm(port, count, data):
    make_maildir(work + '/in', count, data)
    with open(work + '/fdm.conf', 'w') as f:
        f.write('set verify-certificates\naccount "in" maildir "%s"\naction "out" imaps server "localhost" port %d user "frank" pass %s folder "INBOX"\nmatch all action "out"\n' %
                (work + '/in', port, quoted(password)))
    os.chmod(work + '/fdm.conf', 0o600)
    subprocess.run(['chown', '-R', '0:0', work])
    subprocess.run(['chmod', '-R', 'a+rwX', work + '/in'])      # it fetches as a user of its own
    return run('fdm', '-f', work + '/fdm.conf', '-l', '-u', 'root', 'fetch'), count


def by_mbsync(port, count, data):
    make_maildir(work + '/in/INBOX', count, data)
    with open(work + '/mbsyncrc', 'w') as f:
        f.write('IMAPAccount a\nHost localhost\nPort %d\nSSLType IMAPS\nCertificateFile %s\nUser frank\nPass %s\n\nIMAPStore far\nAccount a\n\n'
                'MaildirStore near\nPath %s/in/\nInbox %s/in/INBOX\n\nChannel c\nFar :far:\nNear :near:\nPatterns INBOX\nSync Push\nSyncState *\n' %
                (port, ca, quoted(password), work, work))
    return run('mbsync', '-c', work + '/mbsyncrc', 'c'), count


def by_curl(port, count, data):
    open(work + '/message', 'wb').write(data.replace(b'\n', b'\r\n'))
    with open(work + '/curl.conf', 'w') as f:
        f.write('\nnext\n'.join('url = "imaps://localhost:%d/INBOX"\nupload-file = "%s/message"\nuser = %s\ncacert = "%s"\nsilent\nshow-error\n' %
                                (port, work, quoted('frank:' + password), ca) for _ in range(count)))
    return run('curl', '-K', work + '/curl.conf'), count


ROWS = {'multi 64': lambda *a: bare(*a, 64), 'multi 256': lambda *a: bare(*a, 256), 'multi all': lambda *a: bare(*a, 1000000), 'pipe': lambda *a: bare(*a, 1),
        'ours': ours, 'chain': chain, 'mbsync': by_mbsync, 'curl': by_curl, 'imaplib': by_imaplib, 'fdm': by_fdm}


def attempt(row, port, count, data):
    empty()
    try:
        taken, _ = ROWS[row](port, count, data)
    except (RuntimeError, subprocess.CalledProcessError, OSError) as e:
        print('  %-10s failed: %s' % (row, e))
        return []
    if stored() != count:
        print('  %-10s WRONG: %d of %d are stored' % (row, stored(), count))
    return [taken]


def cell(name):
    where, count, size, unit = re.fullmatch(r'(loop|far)/(\d+)x(\d+)([KM])', name).groups()
    count, size = int(count), int(size) << {'K': 10, 'M': 20}[unit]
    data, port = message(size), imaps
    if where == 'far':
        proxy = subprocess.Popen([tools + 'imap_delay', str(DELAY), str(imaps)], stdout=subprocess.PIPE)
        port = int(proxy.stdout.readline())
    print('%s: %d messages of %d bytes, %s' % (name, count, size, '%d ms each way' % DELAY if where == 'far' else 'loopback'))
    wanted = [r.strip() for r in os.environ['ROWS'].split(',')] if os.environ.get('ROWS') else list(ROWS)
    # in turns: what else the machine does meets them all alike
    times = {row: [] for row in wanted}
    turns = int(os.environ.get('TURNS', '15'))
    for turn in range(turns):
        fastest = min((min(t) for t in times.values() if t), default=0)
        for row in wanted:
            n = min(count, SLOW[where].get(row, count))
            if not turn or (times[row] and row not in SLOW[where] and (turn < FEW or min(times[row]) < 3 * fastest)):
                times[row] += attempt(row, port, n, data)
    best = 0
    for row in wanted:
        n = min(count, SLOW[where].get(row, count))
        if not times[row]:
            continue
        median = statistics.median(times[row])
        rate = n / median
        if row.startswith(('multi', 'pipe')):
            best = max(best, rate)
        print('  %-10s %8.2f s (%.2f to %.2f) %9.1f a second%s%s' % (row, median, min(times[row]), max(times[row]), rate, '  %3.0f %% of the limit' % (100 * rate / best) if best else '', '' if n == count else '  (a sample of %d)' % n))
        sys.stdout.flush()
    if where == 'far':
        proxy.terminate()


for name in sys.argv[5:] or CELLS:
    cell(name)
