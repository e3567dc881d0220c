#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every message of the corpus goes through sendmail and the chain and comes out byte for byte, apart from what deaddrop(7) says is added or removed."""
import glob, os, re, shutil, signal, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(TOP, 'build', 'bin')
MAILNAME = b'qualified.test.invalid'
number = 0


def ok(good, name, why=''):
    global number
    number += 1
    print(('ok' if good else 'not ok'), number, '-', name, flush=True)
    if not good and why:
        print('# ' + why.replace('\n', '\n# '), flush=True)


def messages():
    """Files of our own, and the shared corpus where it is."""
    found = sorted(glob.glob(os.path.join(TOP, 'tests', 'corpus', 'messages', '*')))
    shared = os.path.join(TOP, '..', 'shared', 'corpus')
    index = os.path.join(shared, 'INDEX.tsv')
    if os.path.exists(index):
        with open(index, encoding='utf-8', errors='replace') as f:
            for line in f:
                path = os.path.join(shared, line.split('\t')[0])
                if os.path.isfile(path):
                    found.append(path)
    return found


FIELD = re.compile(rb'([!-9;-~]+)[ \t]*:')


def split(text):
    """Header fields and the body with the empty line, as inject sees them: the header ends before the first line that is none of it."""
    fields, at = [], 0
    while at < len(text):
        end = text.find(b'\n', at) + 1 or len(text)
        line = text[at:end]
        if line[:1] in b' \t' and fields and line.strip(b' \t\n') != b'' or line[:1] in (b' ', b'\t') and fields:
            fields[-1] += line
        elif FIELD.match(line):
            fields.append(line)
        else:
            break
        at = end
    return fields, text[at:]


def name(field):
    return FIELD.match(field).group(1).lower()


REMOVED = {b'bcc', b'resent-bcc', b'return-path'}
ADDED = {b'date', b'message-id', b'from', b'to'}
ADDED_RESENT = {b'resent-date', b'resent-message-id', b'resent-from', b'resent-to'}        # where Resent- fields are there


def wanted(text):
    text = text.replace(b'\r\n', b'\n')
    while re.match(rb'>?From ', text):
        text = text[text.find(b'\n') + 1:] if b'\n' in text else b''
    fields, body = split(text)
    return [f if f.endswith(b'\n') else f + b'\n' for f in fields if name(f) not in REMOVED], body


def judge(source, result):
    want_fields, want_body = wanted(source)
    fields, body = split(result)
    trace = [name(f) for f in fields[:3]]
    if trace != [b'return-path', b'delivered-to', b'received']:
        return 'the trace fields are %r' % trace
    fields = fields[3:]
    have = {name(f) for f in want_fields}
    added = ADDED | ADDED_RESENT if re.search(rb'^resent-', source, re.M | re.I) else ADDED
    rest = []
    for f in fields:
        if name(f) in added and name(f) not in have:
            have.add(name(f))
            continue
        rest.append(f.replace(b'@' + MAILNAME, b''))
    if rest != want_fields:
        for got, want in zip(rest + [b''] * len(want_fields), want_fields + [b''] * len(rest)):
            if got != want:
                return 'a field differs: %r, wanted %r' % (got[:300], want[:300])
    if not want_body.startswith(b'\n'):      # there was no empty line: one is added between header and body
        if not body and not want_body:
            return None
        want_body = b'\n' + want_body
    if body != want_body:
        at = next((i for i, (a, b) in enumerate(zip(body, want_body)) if a != b), min(len(body), len(want_body)))
        return 'the body differs at %d: %r, wanted %r' % (at, body[at - 20:at + 60], want_body[at - 20:at + 60])
    return None


scratch = tempfile.mkdtemp(prefix='deaddrop-test.', dir='/tmp')
spool = os.path.join(scratch, 'spool')
inbox = os.path.join(scratch, 'mail', 'inbox')
for d in ('spool/journal', 'spool/outcome', 'spool/deferred', 'spool/dead', 'mail'):
    os.makedirs(os.path.join(scratch, d))
sock = lambda n: os.path.join(scratch, n + '.ctrl')
stages = []
try:
    for command in (['local', '--in', sock('local'), '--inbox', inbox],
                    ['send', '--in', sock('send'), '--in', sock('admin'), '--out', sock('local'), '--spool', spool],
                    ['queue', '--in', sock('queue'), '--out', sock('send'), '--spool', spool]):
        stages.append(subprocess.Popen([os.path.join(BIN, 'deaddrop-' + command[0])] + command[1:],
                                       stdin=subprocess.DEVNULL, stderr=open(os.path.join(scratch, command[0] + '.log'), 'wb')))
    config = os.path.join(scratch, 'inject.conf')
    with open(config, 'wb') as f:
        f.write(b'name ' + MAILNAME + b'\n')
    sendmail = os.path.join(scratch, 'sendmail')
    os.symlink(os.path.join(BIN, 'deaddrop-inject'), sendmail)
    paths = messages()

    def hand_in(numbered):
        n, path = numbered
        with open(path, 'rb') as f:
            return subprocess.run([sendmail, '--config', config, '--out', sock('queue'), '-i', '-f', 'sender@example.org', 'm%d@example.org' % n],
                                  stdin=f, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(hand_in, enumerate(paths)))
    refused = ['%s: exit %d %s' % (p, r.returncode, r.stderr.decode(errors='replace')) for p, r in zip(paths, results) if r.returncode != 0]
    ok(not refused, 'sendmail takes all of %d messages' % len(paths), '\n'.join(refused[:20]))
    end = time.monotonic() + 60
    count = lambda: len(os.listdir(os.path.join(inbox, 'new'))) if os.path.isdir(os.path.join(inbox, 'new')) else 0
    while count() < len(paths) and time.monotonic() < end:
        time.sleep(0.1)
    got = {}
    for file in glob.glob(os.path.join(inbox, 'new', '*')):
        with open(file, 'rb') as f:
            text = f.read()
        n = int(re.search(rb'^Delivered-To: m(\d+)@', text, re.M).group(1))
        got.setdefault(n, []).append(text)
    ok(len(got) == len(paths) and all(len(g) == 1 for g in got.values()), 'each arrives once', '%d of %d' % (len(got), len(paths)))
    bad = []
    for n, path in enumerate(paths):
        if n in got:
            with open(path, 'rb') as f:
                why = judge(f.read(), got[n][0])
            if why:
                bad.append('%s: %s' % (os.path.relpath(path, TOP), why))
    ok(not bad, 'each is the same, byte for byte, apart from the documented additions', '%d differ\n' % len(bad) + '\n'.join(bad[:25]))
finally:
    for s in stages:
        s.send_signal(signal.SIGTERM)
    for s in stages:
        s.wait()
    shutil.rmtree(scratch, ignore_errors=True)
print('1..%d' % number)
