#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Real mail servers relay to deaddrop-smtpd: Postfix, Exim and OpenSMTPD, each in a layer of its own.
import os, re, subprocess, sys

SERVERS = {'postfix': 'postfix', 'exim': 'exim4-daemon-light', 'opensmtpd': 'opensmtpd'}
here = os.path.dirname(os.path.abspath(__file__))


def outside():
    """Each server's part by itself; its lines under one numbering."""
    count = 0
    for name in sys.argv[1:] or SERVERS:
        p = subprocess.Popen([os.path.dirname(here) + '/peers', SERVERS[name], '--', 'env', 'DEADDROP_INSIDE=' + name, os.path.abspath(__file__)], stdout=subprocess.PIPE, text=True)
        planned = False
        for line in p.stdout:
            m = re.match(r'(not ok|ok) \d+ (.*)', line)
            planned = planned or line.startswith('1..')
            if m:
                count += 1
                print(m.group(1), count, m.group(2), flush=True)
            elif not line.startswith('1..'):
                print(line, end='', flush=True)
        if p.wait() == 77:
            count += 1
            print('ok', count, '# SKIP', name, 'cannot be had here', flush=True)
        elif not planned:
            count += 1
            print('not ok', count, '-', name, 'ran to its end', flush=True)
    print('1..%d' % count)


server = os.environ.get('DEADDROP_INSIDE')
if not server:
    outside()
    sys.exit(0)
sys.path.insert(0, here)
sys.dont_write_bytecode = True
from smtpd_rig import *

TEXT = 'first\n.\n..two dots\n.one dot\n\n' + 'long ' * 150 + '\n\u00e4\u00f6\u00fc \u20ac\n--\nFrom here\nlast\n'


def letter(name, text=TEXT):
    return ('From: a@b.example\nTo: u@local.example\nSubject: %s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n' % name + text).encode()


def submit(name, rcpts=('u@local.example',), text=TEXT, sender='a@b.example'):
    r = subprocess.run(['/usr/sbin/sendmail', '-oi', '-f', sender, *rcpts], input=letter(name, text), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode:
        print('# sendmail:', r.returncode, r.stdout.decode(errors='replace'))


def postfix(port):
    for setting in ('myhostname=relay.test', 'mydestination=', 'inet_interfaces=127.0.0.1', 'inet_protocols=ipv4', 'alias_maps=', 'alias_database=', 'compatibility_level=3.6',
                    'relayhost=[127.0.0.1]:%d' % port, 'maillog_file=/var/log/postfix.log', 'smtp_tls_security_level=may', 'smtp_host_lookup=native', 'bounce_queue_lifetime=1h',
                    'smtp_dns_support_level=disabled', 'message_size_limit=0', 'minimal_backoff_time=1s', 'queue_run_delay=1s', 'smtputf8_enable=yes', 'smtputf8_autodetect_classes=all'):
        subprocess.run(['postconf', '-e', setting])
    subprocess.run(['postconf', '-Me', 'postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd'])
    for line in subprocess.run(['postconf', '-M'], stdout=subprocess.PIPE, text=True).stdout.splitlines():
        words = line.split()
        if words[4] == 'y':
            subprocess.run(['postconf', '-F', '%s/%s/chroot=n' % (words[0], words[1])])
    subprocess.run(['postfix', 'start'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return lambda: subprocess.run(['postqueue', '-f']), '/var/log/postfix.log'


def exim(port):
    with open('/etc/exim4/exim4.conf', 'w') as f:
        f.write('''
primary_hostname = relay.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = 2525
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%%slog
log_selector = +all
message_size_limit = 100M
trusted_users = root
untrusted_set_sender = *
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = relay
begin transports
relay:
  driver = smtp
  port = %d
  allow_localhost
  hosts_try_fastopen =
begin retry
* * F,1h,1s
''' % port)
    subprocess.Popen(['exim4', '-bdf', '-q10m'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return lambda: subprocess.run(['exim4', '-qff'], stdout=subprocess.DEVNULL), '/var/log/exim4/mainlog'


def opensmtpd(port):
    with open('/etc/mailname', 'w') as f:
        f.write('relay.test\n')
    with open(scratch + '/opensmtpd.conf', 'w') as f:
        f.write('smtp max-message-size 100M\nlisten on 127.0.0.1 port 2525 hostname relay.test\naction "out" relay host smtp://127.0.0.1:%d helo relay.test\n'
                'match from any for any action "out"\n' % port)
    subprocess.Popen(['smtpd', '-d', '-v', '-f', scratch + '/opensmtpd.conf'], stdout=open(scratch + '/opensmtpd.log', 'wb'), stderr=subprocess.STDOUT)

    def flush():
        listed = subprocess.run(['smtpctl', 'show', 'queue'], stdout=subprocess.PIPE, text=True).stdout
        for line in listed.splitlines():
            subprocess.run(['smtpctl', 'schedule', line.split('|')[0]], stdout=subprocess.DEVNULL)
    wait_for(lambda: subprocess.run(['smtpctl', 'show', 'queue'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0)
    return flush, scratch + '/opensmtpd.log'


def say_logs():
    return d.lines().decode()[-1500:] + ''.join(open(log, errors='replace').readlines()[-15:])


def test_one():
    submit('one')
    found = wait_for(lambda: with_subject('one'), 20)
    ok(found and found[0][1].endswith(TEXT.encode()) and found[0][1].count(b'Received: ') >= 2, server + ': a message arrives as it was written', found or say_logs())
    print('# ' + ' '.join(re.findall(r'(?m)^attr (proto \S+|tls \S+)', found[0][0]) if found else []))
    ok(found and 'attr proto ESMTPS' in found[0][0], server + ': it took STARTTLS where it was offered', found)
    is_(len(found), 1, server + ': once')


def test_many_recipients():
    submit('crowd', ['u%d@local.example' % n for n in range(60)], sender='')
    found = wait_for(lambda: sum(r[0].count('\nrcpt u') for r in with_subject('crowd')) == 60 and with_subject('crowd'), 20)
    ok(found and all('\nsender \n' in r[0] or '\nsender\n' in r[0] for r in found), server + ': sixty recipients, and the null sender', say_logs())


def test_large():
    text = ('x' * 76 + '\n') * 40000
    submit('large', text=text)
    found = wait_for(lambda: with_subject('large'), 40)
    ok(found and found[0][1].endswith(('\n\n' + text).encode()), server + ': 3 MB, byte for byte', say_logs())


def test_crowd():
    for n in range(40):
        submit('each-%d' % n, text='x\n')
    found = wait_for(lambda: all(with_subject('each-%d' % n) for n in range(40)), 40)
    ok(found and all(len(with_subject('each-%d' % n)) == 1 for n in range(40)), server + ': forty messages at once, each once', say_logs())


def test_refused():
    submit('refused', ['no@refused.example', 'u@local.example'])
    ok(wait_for(lambda: with_subject('refused'), 20), server + ': of two recipients one is refused, the other gets it', say_logs())
    bounce = wait_for(lambda: [r for r in records() if b'This address is closed' in r[1] and 'rcpt a@b.example' in r[0]], 20)
    ok(bounce, server + ': and the sender hears why, in our words', say_logs())


def test_queue_away(queue):
    queue.stop()
    submit('patient', text='x\n')
    ok(wait_for(lambda: 'status=451' in d.lines().decode(), 30), server + ': 451 while the queue is away', say_logs())
    queue.start()

    def arrived():
        flush()
        return wait_for(lambda: with_subject('patient'), 2)
    found = wait_for(arrived, 40)
    is_(len(found or []), 1, server + ': then it comes again, and is taken')


def test_utf8():
    if server != 'postfix':
        return          # what the others make of it depends on how they were built
    import smtplib
    subprocess.run(['/usr/sbin/sendmail', '-oi', '-O', 'SMTPUTF8', '-f', 'j\u00f6rg@b.example', '\u00fc@local.example'],
                   input='From: j\u00f6rg@b.example\nTo: \u00fc@local.example\nSubject: utf8-\u20ac\n\nx\n'.encode())
    found = wait_for(lambda: with_subject('utf8-\u20ac'), 20)
    ok(found and 'sender j\u00f6rg@b.example' in found[0][0] and 'attr smtputf8 1' in found[0][0], server + ': SMTPUTF8', found or say_logs())


os.chmod(scratch, 0o755)
queue = Queue()
queue.start()
cert, key = certificate()
d = Smtpd('tls certificate %s key %s\nreject rcpt no@refused.example 550 "This address is closed."\naccept all\ndebug commands\nlimit failed 1000\n' % (cert, key), '--wait', '1s')
try:
    flush, log = globals()[server](d.port)
    run({n: f for n, f in globals().items() if n.startswith('test_')}, queue)
finally:
    d.__exit__()
