# SPDX-License-Identifier: GPL-3.0-or-later
# deaddrop-remote beside real mail servers: what remote-*.t need in common. Each of them runs in a layer that has its servers (tests/peers), so all of the machine is
# theirs and what they leave vanishes; servers keep their files below scratch. See the .t files for what is tested.
import atexit, os, pwd, re, shutil, signal, socket, subprocess, sys, tempfile, time

top = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
count = failed = 0
started, logs = [], []
scratch = program = None
PASSWORD = 'hemmelig'


def ok(good, name, *why):
    global count, failed
    count += 1
    failed += not good
    print('%sok %d - %s' % ('' if good else 'not ', count, name), flush=True)
    if not good:
        for line in ' '.join(str(w) for w in why).split('\n'):
            print('# ' + line, flush=True)
    return good


def begin(*packages):
    """Behind this the process is in a layer with these packages."""
    global scratch, program
    built = os.path.join(os.environ.get('DEADDROP_BIN', top + '/build/bin'), 'deaddrop-remote')
    if not os.path.exists(built):
        print('1..0 # SKIP %s is not built' % built)
        sys.exit(0)
    if not os.environ.get('DEADDROP_INSIDE'):
        r = subprocess.run([top + '/tests/peers', *packages, '--', 'env', 'DEADDROP_INSIDE=1', sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]], stderr=subprocess.PIPE)
        why = r.stderr.decode('utf-8', 'replace').strip()
        if r.returncode == 77:
            print('1..0 # SKIP no %s: %s' % (' and '.join(packages), why.split('\n')[-1]))
            sys.exit(0)
        if why:
            print('# ' + why.replace('\n', '\n# '))
        sys.exit(r.returncode)
    scratch = tempfile.mkdtemp(prefix='deaddrop-test.', dir='/tmp')
    os.chmod(scratch, 0o755)
    atexit.register(finish)
    signal.signal(signal.SIGTERM, lambda *x: sys.exit(1))
    program = scratch + '/deaddrop-remote'	# where every user of the servers can run it
    shutil.copy(built, program)
    make_certificates()
    write('pw', PASSWORD + '\n', 0o600)
    write('wrong', 'falsch\n', 0o600)


def end():
    if failed:
        for name in logs:
            if os.path.exists(name):
                print('# %s:\n# ' % name + open(name, errors='replace').read()[-2000:].replace('\n', '\n# '))
    print('1..%d' % count)
    sys.exit(failed > 0)


def finish():
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
    shutil.rmtree(scratch, True)


def write(name, text, mode=0o644):
    path = name if name.startswith('/') else scratch + '/' + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def start(arguments, ready, **how):
    name = scratch + '/%s.out' % os.path.basename(arguments[0])
    logs.append(name)
    with open(name, 'ab') as log:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **how)
    started.append(process)
    for _ in range(600):
        if ready():
            return process
        if process.poll() is not None:
            break
        time.sleep(0.05)
    ok(False, '%s starts' % arguments[0])
    end()


def listens(n, host='127.0.0.1'):
    def look():
        try:
            socket.create_connection((host, n), 1).close()
            return True
        except OSError:
            return False
    return look


def run(*arguments, message=b'Subject: x\n\nhello\n'):
    return subprocess.run([program] + list(arguments), input=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=90)


def add_user(name):
    """A user of the host, with a home and a password."""
    subprocess.run(['useradd', '-m', '-s', '/bin/sh', name], check=True)
    return pwd.getpwnam(name)


def stored(directory, n=1, patience=15):
    for _ in range(patience * 20):
        found = sorted(os.listdir(directory + '/new')) if os.path.isdir(directory + '/new') else []
        if len(found) >= n:
            break
        time.sleep(0.05)
    return [open(directory + '/new/' + f, 'rb').read() for f in found]


def make_certificates():
    def openssl(*a):
        subprocess.run(('openssl',) + a, check=True, cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kind = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256')
    openssl('req', '-x509', *kind, '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test CA')
    write('ext', 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    for name in ('server', 'frank'):
        openssl('req', *kind, '-nodes', '-keyout', name + '.key', '-out', name + '.csr', '-subj', '/CN=' + name)
        openssl('x509', '-req', '-in', name + '.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', name + '.pem', '-days', '2', '-extfile', 'ext')
    os.chmod(scratch + '/server.key', 0o600)


# ---- what every server is asked ----

FROM = ('--sender', 'a@b.example')


def tls(n, *more):
    return ('--relay', '127.0.0.1:%d' % n, '--tls', 'starttls', '--ca-file', scratch + '/ca.pem') + more


def login(password='pw', user='frank'):
    return ('--login', user, '--password-file', scratch + '/' + password)


def verdicts(r):
    return [l.split()[1] for l in r.stderr.decode().split('\n') if 'rcpt=' in l]


def try_logins(who, n, mechanisms, mailbox, to='frank@localhost', user='frank', wrong=True):
    offered = run('--check', *tls(n), *login(user=user)).stdout.decode()
    words = offered.split('AUTH (')[-1].split(')')[0].split() if 'AUTH (' in offered else []
    ok(set(mechanisms) <= set(words) and set(words) & KNOWN <= set(mechanisms), '%s: all that it offers and we know is tried: %s' % (who, ' '.join(mechanisms)), offered)
    for mechanism in mechanisms:
        shutil.rmtree(mailbox, True)
        extra = login(user=user) if mechanism != 'EXTERNAL' else ('--certificate', scratch + '/frank.pem', '--key', scratch + '/frank.key')
        r = run(*tls(n), *extra, '--mechanisms', mechanism, '-vv', *FROM, '--recipient', to)
        ok(r.returncode == 0 and ('AUTH ' + mechanism).encode() in r.stderr and PASSWORD.encode() not in r.stderr, '%s: login with %s' % (who, mechanism), r.stderr.decode())
        got = stored(mailbox)
        ok(len(got) == 1 and b'Subject: x\n' in got[0] and got[0].endswith(b'\n\nhello\n'), '%s: and the message arrives' % who, got)
        if wrong and mechanism != 'EXTERNAL':
            r = run(*tls(n), *login('wrong', user), '--mechanisms', mechanism, *FROM, '--recipient', to)
            ok(r.returncode == 75 and b'4.7.8' in r.stderr and b'alarm' in r.stderr, '%s: a wrong password with %s is later, with an alarm' % (who, mechanism), r)
    r = run(*tls(n), *FROM, '--recipient', 'x@elsewhere.example')
    ok(r.returncode > 0 and 'done' not in verdicts(r), '%s: no relaying without a login' % who, r)


KNOWN = {'PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-1', 'SCRAM-SHA-256', 'SCRAM-SHA-1-PLUS', 'SCRAM-SHA-256-PLUS', 'EXTERNAL', 'XOAUTH2', 'OAUTHBEARER'}


def corpus():
    directory = top + '/tests/corpus/messages'
    for name in sorted(os.listdir(directory)):
        with open(directory + '/' + name, 'rb') as f:
            data = f.read()
        if data and not data.startswith(b'From '):
            yield name, data


def is_proper(data):
    """Others may be refused by servers, or be mended."""
    head = lines_of(data).split(b'\n\n')[0].rstrip(b'\n').split(b'\n')
    return b'\0' not in data and not re.search(rb'\r(?!\n)', data.split(b'\n\n')[0]) and all(re.match(rb'[!-9;-~]+[ \t]*:', l) or (n and l[:1] in b' \t') for n, l in enumerate(head))


def lines_of(data):
    data = data.replace(b'\r\n', b'\n').replace(b'\r', b'\n')
    return data if data.endswith(b'\n') else data + b'\n'


def is_same(got, sent, name):
    """Apart from trace fields in front, and from where long fields are folded."""
    wanted = lines_of(sent)
    if name in ('long-field', 'many-to', 'folded'):
        got, wanted = got.replace(b'\n', b''), wanted.replace(b'\n', b'')
    return got.endswith(wanted)


def without(got, added, sent):
    """Fields of these names are taken from the header, where they were not in what was sent."""
    head, end, body = got.partition(b'\n\n')
    head = b'\n'.join(l for l in head.rstrip(b'\n').split(b'\n') if l.split(b':')[0] not in added or l in sent)
    return head + b'\n' + (end[1:] if b'\n\n' in lines_of(sent) else b'') + body


def try_corpus(who, arguments, mailbox, to='frank@localhost', altered=(), added=(), refused=(), strict=False):
    """All messages arrive unchanged apart from trace fields; of those whose header the server mends the last line.  added: header fields that it adds.  refused: what it does not take, and says so.  strict: even what is no proper message arrives."""
    bad = []
    stored(mailbox, 99, 2)		# what is still under way
    for name, data in corpus():
        shutil.rmtree(mailbox, True)
        r = run(*arguments, *FROM, '--recipient', to, message=data)
        for again in range(5):		# a server that closes while it is still sent to may take its answer with it: then it is later, and tried again
            if name in refused and r.returncode == 75:
                r = run(*arguments, *FROM, '--recipient', to, message=data)
        got = stored(mailbox) if not r.returncode else []
        got = [without(g, added, data) for g in got]
        if name in refused:
            good = not got and r.returncode in (65, 69, 77)
        elif not strict and not is_proper(data):
            good = (not got and r.returncode in (65, 69, 77)) or len(got) == 1
        elif name in altered:			# the last line
            good = len(got) == 1 and got[0].rstrip().endswith(lines_of(data).rstrip().split(b'\n')[-1].split(b'\0')[0])
        else:
            good = len(got) == 1 and is_same(got[0], data, name)
        if not good:
            bad.append((name, r.stderr.decode(), got and (len(got[0]), got[0][:1500]), len(data)))
    ok(not bad, '%s: the corpus arrives as it is%s' % (who, ' (but for what it does to %s)' % ', '.join(altered) if altered else ''), '\n'.join(map(str, bad)))


# ---- servers that several tests need ----

def start_dovecot():
    """LMTP at scratch/run/lmtp and 127.0.0.1:24; logins at scratch/run/auth-client and, as Exim wants them, auth-exim.  frank and anna have room, full has none."""
    mail = scratch + '/dovecot-mail'
    write('users', ''.join('%s:{PLAIN}%s::::::%s\n' % (u, PASSWORD, 'userdb_quota_rule=*:storage=1B' if u == 'full' else '') for u in ('frank', 'anna', 'full')))
    os.makedirs(mail)
    os.chown(mail, pwd.getpwnam('nobody').pw_uid, -1)
    config = write('dovecot.conf', '''
base_dir = %(s)s/run
state_dir = %(s)s/state
log_path = %(s)s/dovecot.log
protocols = lmtp
ssl = no
mail_location = maildir:%(s)s/dovecot-mail/%%n
first_valid_uid = 1
auth_username_format = %%n
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
auth_failure_delay = 0
disable_plaintext_auth = no
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%%n %(s)s/users
}
userdb {
  driver = passwd-file
  args = username_format=%%n %(s)s/users
  default_fields = uid=nobody gid=nogroup home=%(s)s/dovecot-mail/%%n
}
protocol lmtp {
  mail_plugins = quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = 24
  }
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
''' % {'s': scratch})
    logs.append(scratch + '/dovecot.log')
    return start(['/usr/sbin/dovecot', '-F', '-c', config], lambda: os.path.exists(scratch + '/run/lmtp') and listens(24)())


def start_rspamd():
    """A scanner without rules: what passes it gets a header field."""
    os.makedirs(scratch + '/rspamd')
    os.chown(scratch + '/rspamd', pwd.getpwnam('_rspamd').pw_uid, -1)
    write('tld', 'example\norg\n')	# its own list takes it minutes to digest
    config = write('rspamd.conf', '''
options { url_tld = "%(s)s/tld"; disable_hyperscan = true; tempdir = "%(s)s/rspamd"; pidfile = "%(s)s/rspamd/pid"; filters = ""; dns { timeout = 0.1s; retransmits = 1; nameserver = ["127.0.0.1"]; } }
logging { type = "file"; filename = "%(s)s/rspamd/log"; level = "info"; }
worker "normal" { bind_socket = "127.0.0.1:11333"; count = 1; }
''' % {'s': scratch})
    logs.append(scratch + '/rspamd/log')
    return start(['rspamd', '-f', '-c', config, '-u', '_rspamd', '-g', '_rspamd'], listens(11333))


FILTER = b'X-Spam'		# rspamc --mime adds fields of that kind


def try_bridge(who, submit, mailbox, dovecot_stop=None):
    """rspamc pipes into deaddrop-remote --lmtp, and a mail server runs both as its delivery program."""
    shutil.rmtree(mailbox, True)
    r = submit(b'Subject: through the filter\n\nbody\n.\n')
    got = stored(mailbox)
    ok(not r.returncode and len(got) == 1 and FILTER in got[0] and b'Subject: through the filter\n' in got[0] and got[0].endswith(b'\n\nbody\n.\n') and b'Return-Path: <a@b.example>' in got[0],
       '%s: rspamc pipes into the LMTP bridge as its delivery program' % who, r, got)
