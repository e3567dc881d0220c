# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands in what the rows of tests/corpus/callers/table (and of the shared table, where it is) say, and judges what arrives.  callers.t runs it."""
import email.utils, glob, json, os, pwd, re, select, shlex, subprocess, sys, time

TOP, BIN, SCRATCH, CHAIN = sys.argv[1:]
INBOX = os.path.join(CHAIN, 'mail', 'inbox', 'new')
NAME = 'qualified.test.invalid'
OWN = ['--config', os.path.join(SCRATCH, 'inject.conf'), '--out', os.path.join(CHAIN, 'public.ctrl')]
FIELD = re.compile(rb'([!-9;-~]+)[ \t]*:')
REMOVED = {b'bcc', b'resent-bcc', b'return-path'}
SUBJECT = 'Größe ✓ 予定'.encode()
HOSTILE = (b'first\n.\n..\n...dots\nFrom the start\n>From quoted\n\n' + b'x' * 1200 + b'\nnul \0 here\nbare \r here\n\xff\xfe\n' +
           'Grüße\n'.encode() + b'.\n\nlast\n')
number = 0
seen = set()


def ok(good, name, why=''):
    global number
    number += 1
    print('ok' if good else 'not ok', number, '-', name, flush=True)
    if not good and why:
        print('# ' + why.replace('\n', '\n# '), flush=True)
    return good


def fields_of(text):
    """Fields, and the rest from the empty line on."""
    fields, at = [], 0
    while at < len(text):
        end = text.find(b'\n', at) + 1 or len(text)
        line = text[at:end]
        if line[:1] in (b' ', b'\t') and fields:
            fields[-1] += line
        elif FIELD.match(line):
            fields.append(line)
        else:
            break
        at = end
    return fields, text[at:]


def field_name(field):
    return FIELD.match(field).group(1).lower()


def qualified(address):
    return address if '@' in address or address == '' else address + '@' + NAME


def envelope_of(text):
    """Return-Path, the set of Delivered-To, the uid that Received tells of, the fields below the trace, and the body."""
    fields, rest = fields_of(text)
    sender = fields[0].decode().split(':', 1)[1].strip().strip('<>')
    to, at = [], 1
    while field_name(fields[at]) == b'delivered-to':
        to.append(fields[at].decode().split(':', 1)[1].strip())
        at += 1
    assert field_name(fields[at]) == b'received', fields[at]
    uid = int(re.search(rb'uid (\d+)', fields[at]).group(1))
    return sender, to, uid, fields[at + 1:], rest[1:]


def next_message():
    end = time.monotonic() + 10
    while time.monotonic() < end:
        new = set(os.listdir(INBOX)) - seen if os.path.isdir(INBOX) else set()
        if new:
            seen.update(new)
            texts = []
            for n in new:
                with open(os.path.join(INBOX, n), 'rb') as f:
                    text = f.read()
                # what send tells a caller who asked to hear of success (-N success) is no caller's message
                if not re.search(rb'^Received: by \S+ \(deaddrop send\)', text[:4096], re.M):
                    texts.append(text)
            if texts:
                return texts
        time.sleep(0.002)
    return []


def demote(uid):
    def change():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    return change if uid else None


def hand_in(argv, data, user, as_file):
    path = os.path.join(SCRATCH, 'input')
    command = [os.path.join(SCRATCH, 'sendmail')] + OWN + argv
    env = {'PATH': '/usr/bin:/bin'}
    if as_file:
        with open(path, 'wb') as f:
            f.write(data)
        with open(path, 'rb') as f:
            return subprocess.run(command, stdin=f, capture_output=True, env=env, cwd='/', preexec_fn=demote(user), timeout=60)
    return subprocess.run(command, input=data, capture_output=True, env=env, cwd='/', preexec_fn=demote(user), timeout=60)


def speak(argv, sender, to, data, user):
    """SMTP as a framework does it: one command, one reply."""
    p = subprocess.Popen([os.path.join(SCRATCH, 'sendmail')] + OWN + argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                         cwd='/', preexec_fn=demote(user))
    data = re.sub(rb'\r?\n', b'\r\n', data.replace(b'\0', b'').replace(b'bare \r', b'bare '))
    dots = re.sub(rb'(?m)^\.', b'..', data) + b'.\r\n'
    said = b''
    for command, wanted in ([(None, b'220'), (b'EHLO [127.0.0.1]\r\n', b'250'), (b'MAIL FROM:<%s>\r\n' % sender.encode(), b'250')] +
                            [(b'RCPT TO:<%s>\r\n' % t.encode(), b'250') for t in to] +
                            [(b'DATA\r\n', b'354'), (dots, b'250'), (b'QUIT\r\n', b'221')]):
        if command:
            p.stdin.write(command)
            p.stdin.flush()
        while True:
            if not select.select([p.stdout], [], [], 10)[0]:
                p.kill()
                return 'no reply to %r' % (command or b'')[:60]
            line = p.stdout.readline()
            said += line
            if line[3:4] != b'-':
                break
        if not line.startswith(wanted):
            p.kill()
            return 'to %r it says %r' % ((command or b'')[:60], line)
    p.stdin.close()
    return '' if p.wait(20) == 0 else 'exit %d' % p.returncode


def judge(row, header, body, user):
    """What is wrong, or nothing."""
    texts = next_message()
    if len(texts) != 1:
        return '%d messages arrive' % len(texts)
    sender, to, uid, fields, got = envelope_of(texts[0])
    if uid != user:
        return 'the uid is %d, wanted %d' % (uid, user)
    login = pwd.getpwuid(user).pw_name
    wanted_sender = qualified(login if row['sender'] is None else row['sender'])
    if sender != wanted_sender:
        return 'the sender is %r, wanted %r' % (sender, wanted_sender)
    if sorted(to) != sorted(qualified(t) for t in row['to']):
        return 'the recipients are %r, wanted %r' % (to, row['to'])
    lines = b''.join(l.replace(b'\r', b'') + b'\n' for l in header)
    while re.match(rb'>?From ', lines):
        lines = lines[lines.find(b'\n') + 1:]
    wanted = [f for f in fields_of(lines)[0] if field_name(f) not in REMOVED]
    have = {field_name(f) for f in wanted}
    added = [f for f in fields if field_name(f) not in have]
    kept = [f.replace(b'@' + NAME.encode(), b'') for f in fields if field_name(f) in have]
    if kept != wanted:
        return 'the header is %r, wanted %r' % (kept, wanted)
    names = [field_name(f) for f in fields]
    resent = any(n.startswith(b'resent-') for n in have)
    for needed in (b'resent-date', b'resent-from', b'resent-message-id') if resent else (b'date', b'from', b'message-id'):
        if names.count(needed) != 1:
            return '%r stands there %d times' % (needed, names.count(needed))
    if not resent and b'to' not in names and b'cc' not in names:
        return 'there is no To'
    full = next((a[2:] for a in row['argv'] if a.startswith('-F')), None)
    if full and any(f.startswith(b'From:') and full.encode() not in f for f in added):
        return '-F is not in %r' % added
    for f in fields:
        if field_name(f) in (b'from', b'to', b'cc', b'sender', b'reply-to'):
            for _, address in email.utils.getaddresses([f.decode(errors='replace').split(':', 1)[1].replace('\n', ' ')]):
                if address and '@' not in address and 'undisclosed' not in f.decode(errors='replace'):
                    return 'bare address in %r' % f
    if got != body:
        at = next((i for i, (a, b) in enumerate(zip(got, body)) if a != b), min(len(got), len(body)))
        return 'the body differs at %d: %r, wanted %r' % (at, got[at - 20:at + 40], body[at - 20:at + 40])
    return ''


def with_subject(header):
    return [b'Subject: ' + SUBJECT if h.lower().startswith(b'subject:') else h for h in header] + \
        ([] if any(h.lower().startswith(b'subject:') for h in header) else [b'Subject: ' + SUBJECT])


def run(row, header, body, ends, user):
    data = b''.join(h.rstrip(b'\r') + b'\r\n' if ends == '\r\n' else h + b'\n' for h in header) + (b'\r\n' if ends == '\r\n' else b'\n') + body
    expected = body.replace(b'\r\n', b'\n')
    if row.get('smtp'):
        why = speak(row['argv'], row['sender'], row['to'], data, user)
        expected = expected.replace(b'\0', b'').replace(b'bare \r', b'bare ')
        return why or judge(row, header, expected, user)
    result = hand_in(row['argv'], data, user, row.get('file', False))
    if result.returncode != 0 or result.stdout or result.stderr:
        return 'exit %d %r' % (result.returncode, result.stdout + result.stderr)
    return judge(row, header, expected, user)


def row_of_shared(d):
    """The shared table says nothing of the outcome: who gets it follows from the arguments, by rules that are written here anew."""
    argv, stdin = d['argv'], d['stdin'].encode()
    if argv[0] == 'sh':
        argv = shlex.split(argv[2])
    argv, operands, sender, from_header, i = argv[1:], [], None, False, 0
    while i < len(argv):
        a = argv[i]
        if a == '--':
            operands += argv[i + 1:]
            break
        if a.startswith('-'):
            value = a[2:]
            if a[1] in 'fFrBNRVhLOXp' and not value:
                i += 1
                value = argv[i]
            if a[1] in 'fr':
                sender = value.strip('<>')
            from_header = from_header or a in ('-t', '-ti')
        else:
            operands.append(a)
        i += 1
    header, _, body = re.match(rb'(?s)(.*?)(\n\r?\n|$)(.*)', stdin).groups()
    fields = fields_of(header.replace(b'\r', b'') + b'\n')[0]
    if from_header:
        operands += [a for f in fields if field_name(f) in (b'to', b'cc', b'bcc')
                     for _, a in email.utils.getaddresses([f.decode().split(':', 1)[1]])]
    return {'caller': d['caller'], 'argv': argv, 'to': list(dict.fromkeys(operands)), 'sender': sender}, header.split(b'\n'), body


def rows():
    with open(os.path.join(TOP, 'tests', 'corpus', 'callers', 'table'), encoding='utf-8') as f:
        for line in f:
            row = json.loads(line)
            yield row, [h.encode() for h in row['header']], row['body'].encode(), row.get('ends', '\n')
    shared = os.path.join(TOP, '..', 'shared', 'corpus', 'sendmail-callers', 'callers.jsonl')
    if os.path.exists(shared):
        with open(shared, encoding='utf-8') as f:
            for line in f:
                d = json.loads(line)
                if 'sendmail' in ' '.join(d['argv']) and '-bs' not in ' '.join(d['argv']):
                    row, header, body = row_of_shared(d)
                    row['caller'] = 'shared: ' + row['caller']
                    yield row, header, body, '\n'


users = [os.getuid()] + ([pwd.getpwnam('nobody').pw_uid] if os.getuid() == 0 else [])
have_smtpd = os.path.exists(os.path.join(BIN, 'deaddrop-smtpd'))
for row, header, body, ends in rows():
    if row.get('smtp') and not have_smtpd:
        number += 1
        print('ok', number, '# SKIP', row['caller'], '- deaddrop-smtpd is not built')
        continue
    bad = []
    for user in users:
        who = pwd.getpwuid(user).pw_name
        for what, h, b, e in (('its input', header, body, ends), ('a hostile body', with_subject(header), HOSTILE, ends),
                              ('CRLF throughout', with_subject(header), HOSTILE.replace(b'\n', b'\r\n'), '\r\n')):
            why = run(row, h, b, e, user)
            if why:
                bad.append('%s as %s: %s' % (what, who, why))
    ok(not bad, '%s: %s' % (row['caller'], shlex.join(row['argv'])), '\n'.join(bad))
time.sleep(0.3)
ok(set(os.listdir(INBOX)) == seen, 'no message arrives twice')
print('1..%d' % number)
