#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quotas that a kernel enforces while local delivers: machine_quota.py DEVICE MOUNTED-ON BUILD, for machine.t.
Each line of output is a status (0 is good) and a name; what is behind a tab tells why not."""
import ctypes, os, re, shutil, signal, struct, subprocess, sys, time

DEVICE, ROOT, BUILD = sys.argv[1:4]
LOCAL, JOB = os.path.join(BUILD, 'bin/deaddrop-local'), os.path.join(BUILD, 'tests/e2e/local_job')
USER = 12345
KINDS = ('maildir', 'mh', 'files', 'mbox', 'append')
MESSAGE = b'Received: by host with local\n id 1-1;\nSubject: one\n\n' + b''.join(b'%d\n' % n for n in range(20000)) + b'end\n'
SMALL = b'Received: by host with local\n id 1-2;\nSubject: small\n\nx\nend\n'
BLOCK = 1024                    # of quotas
ROOMS = (0, 4, 8, 12, 20, 60, 100, 104, 108, 112, 116, 120, 160)        # KiB; the message has 107
MAIL = os.path.join(ROOT, 'mail')
libc = ctypes.CDLL(None, use_errno=True)


def quotactl(command, data):
    if libc.quotactl(ctypes.c_int(command << 8), DEVICE.encode(), ctypes.c_int(USER), data) != 0:
        raise OSError(ctypes.get_errno(), 'quotactl')


def used():
    """KiB, with what was written and has no place yet."""
    os.sync()
    data = ctypes.create_string_buffer(128)
    quotactl(0x800007, data)                    # Q_GETQUOTA: hard, soft, used bytes, ...
    return (struct.unpack_from('3Q', data)[2] + BLOCK - 1) // BLOCK


def limit(blocks):
    """0: none."""
    quotactl(0x800008, ctypes.create_string_buffer(struct.pack('8QII', blocks, 0, 0, 0, 0, 0, 0, 0, 1, 0), 128))     # Q_SETQUOTA, QIF_BLIMITS


def result(faults, name):
    print('%d %s\t%s' % (bool(faults), name, '; '.join(faults)), flush=True)


def bytes_of(kind):
    """What a reader sees: messages, or the file."""
    place = os.path.join(MAIL, kind)
    if kind in ('mbox', 'append'):
        places = [place] if os.path.exists(place) else []
    elif kind == 'maildir':
        places = [os.path.join(place, sub, n) for sub in ('new', 'cur') for n in os.listdir(os.path.join(place, sub))] if os.path.isdir(place) else []
    else:
        names = os.listdir(place) if os.path.isdir(place) else []
        places = [os.path.join(place, n) for n in names if (n.isdigit() if kind == 'mh' else n[0] != '.')]
    return [open(p, 'rb').read() for p in places]


def look(kind):
    """How many copies, and whether there is anything else than whole messages."""
    copies, rest = 0, b''
    for data in bytes_of(kind):
        copies += data.count(MESSAGE)
        rest += data.replace(MESSAGE, b'').replace(SMALL, b'')
    stray = [line for line in rest.split(b'\n') if line and not re.match(rb'(From |Return-Path: |Delivered-To: )', line)]
    return copies, b'\n'.join(stray)[:60]


def as_user():
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)


def job(socket, kind, number, message):
    p = subprocess.run([JOB, '-n', str(number), socket, kind, 'root', 'frank'], input=message, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return p.returncode, p.stdout.decode(errors='replace').strip()


def attempt(kind, room, first, again, is_later):
    """One delivery with so much room, and once more with more where it was later.  (Whether it was, faults)."""
    faults = []
    before = look(kind)[0]
    limit(max(1, used() + room))
    status, answer = first()
    now, stray = look(kind)
    later = status != 0
    if later and not is_later(status, answer):
        faults.append('%d KiB: %s, %s' % (room, status, answer))
    if stray or now != before + (not later):
        faults.append('%d KiB: status %s, %d copies more, and %r' % (room, status, now - before, stray))
    limit(0)
    if later:
        status, answer = again()
        if status != 0:
            faults.append('%d KiB: repeated: %s, %s' % (room, status, answer))
    now, stray = look(kind)
    if now != before + 1 or stray:
        faults.append('%d KiB: in the end %d copies more, and %r' % (room, now - before, stray))
    return later, faults


def enforced():
    probe = os.path.join(ROOT, 'probe')
    open(probe, 'wb').write(b'x' * 100 * 1024)
    os.chown(probe, USER, USER)
    limit(used() + 8)
    p = subprocess.run(['dd', 'if=/dev/zero', 'of=' + probe, 'bs=1k', 'count=64', 'seek=200', 'conv=notrunc'], preexec_fn=as_user, stderr=subprocess.PIPE)
    limit(0)
    os.unlink(probe)
    return [] if b'quota exceeded' in p.stderr else [p.stderr.decode()]


def stage():
    socket, conf = os.path.join(ROOT, 'local.ctrl'), os.path.join(ROOT, 'local.conf')
    with open(conf, 'w') as f:
        f.writelines('drop %s %s %s/%s\n' % (kind, kind, MAIL, kind) for kind in KINDS)
    p = subprocess.Popen([LOCAL, '--user', '%d:%d' % (USER, USER), '--config', conf, '--in', socket], stderr=subprocess.DEVNULL)
    while not os.path.exists(socket) and p.poll() is None:
        time.sleep(0.05)
    number = 0
    for kind in KINDS:
        job(socket, kind, 1, SMALL)
        faults, later = [], 0
        for room in ROOMS:
            number += 2
            def deliver(n=number):
                return job(socket, kind, n, MESSAGE)
            was, wrong = attempt(kind, room, deliver, deliver, lambda status, answer: answer.startswith('Z 0 4.2.2'))
            later += was
            faults += wrong
        if not 5 <= later < len(ROOMS):
            faults.append('%d of %d were later' % (later, len(ROOMS)))
        result(faults, '%s: over quota is later, nothing in part is seen, delivered once when there is room (%d of %d had none)' % (kind, later, len(ROOMS)))
    p.send_signal(signal.SIGTERM)
    result([] if p.wait() == 0 else ['it ended with %d' % p.returncode], 'the stage ends in peace')


def by_hand():
    faults = []
    for kind in ('maildir', 'mh', 'mbox'):
        command = [LOCAL, '--' + kind, os.path.join(MAIL, kind), '--sender', 'a@b.example', '--recipient', 'frank']

        def deliver():
            p = subprocess.run(command, input=MESSAGE, preexec_fn=as_user, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            return p.returncode, p.stdout.decode(errors='replace').strip()
        later = 0
        for room in (0, 20, 60, 100, 400):          # an mbox file's message is kept beside it until it has come whole
            was, wrong = attempt(kind, room, deliver, deliver, lambda status, answer: status == 75)
            later += was
            faults += ['%s, %s' % (kind, w) for w in wrong]
        if later != 4:
            faults.append('%s: %d of 5 were later' % (kind, later))
    result(faults, 'by hand, as the user: over quota is exit 75, nothing in part is seen, delivered once when there is room')


os.mkdir(MAIL)
os.chown(MAIL, USER, USER)
result(enforced(), 'the kernel enforces quotas')
stage()
shutil.rmtree(MAIL)
os.mkdir(MAIL)
os.chown(MAIL, USER, USER)
by_hand()
