#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plug is pulled.  Mail flows through the chain on a file system whose disk logs each write and flush (disk.c), and every number that
sendmail accepted is marked in that log.  Then, for many places in the log, the disk is made as a power cut there could have left it: all
that was flushed, and of the later writes all, none, or some, some of them in part.  The kernel mounts it, the chain is started on it, and
when the spool is empty each message that had been accepted is in its mailboxes, once and whole, and no other one is twice or in part.

A recovery is logged too, and cut again.

POWER_CUTS=N cuts (100; half as many more with stages that are killed, and a share for each of the other file systems); POWER_FS="ext4
xfs btrfs": those that have a mkfs here; POWER_SEED=N: the same
choice again, of another run's log; POWER_KEEP=1 keeps what failed."""
import collections, concurrent.futures, errno, os, random, re, shutil, signal, struct, subprocess, sys, tempfile, threading, time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get('POWER_BIN', os.path.join(TOP, 'build', 'bin'))
DISK = os.path.join(TOP, 'build', 'tests', 'crash', 'disk')
CUTS = int(os.environ.get('POWER_CUTS', '100'))
SECONDS = float(os.environ.get('POWER_SECONDS', '4'))
SEED = int(os.environ.get('POWER_SEED', str(random.SystemRandom().randrange(1 << 30))))
WORKERS = int(os.environ.get('POWER_WORKERS', '16'))
PAUSE = 0.03           # between a submitter's messages: there is to be time for retries, not a mass of mail
KEEP = os.environ.get('POWER_KEEP')
PLACES = ('journal', 'outcome', 'deferred', 'dead')
KERNEL = tuple(int(n) for n in os.uname().release.split('.')[:2])
# A part of a write can be lost, but no part of a sector: file systems do not survive that on their own
SECTOR = 4096
# name: size in MiB, mkfs, mount options, check
FILESYSTEMS = {
    'ext4': (96, ['mke2fs', '-q', '-t', 'ext4', '-b', '4096', '-E', 'lazy_itable_init=0,lazy_journal_init=0'], 'loop', ['e2fsck', '-fn']),
    'xfs': (320, ['mkfs.xfs', '-q'], 'loop,nouuid', ['xfs_repair', '-n', '-f']),
    'btrfs': (256, ['mkfs.btrfs', '-q'], 'loop', ['btrfs', 'check']),
}
SHARES = {'ext4': 1.0, 'xfs': 0.4, 'btrfs': 0.2}
# Of two images with the same name only newer kernels mount both
WORKERS_OF = {'btrfs': WORKERS if KERNEL >= (6, 7) else 1}
number = 0
printing = threading.Lock()


def ok(good, name, why=''):
    global number
    with printing:
        number += 1
        print('ok' if good else 'not ok', number, '-', name, flush=True)
        if not good:
            print('# ' + str(why).replace('\n', '\n# '), flush=True)


def diag(text):
    with printing:
        print('# ' + text, flush=True)


def wait_for(seconds, condition, pause=0.05):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise OSError('%s: %d: %s' % (' '.join(command), done.returncode, done.stdout.decode(errors='replace').strip()))


def as_if_started_now():
    """A command before a stage's: to it the host was started within the last second, where that can be had."""
    with open('/proc/uptime') as f:
        command = ['unshare', '--time', '--boottime', str(-int(float(f.read().split()[0])))]
    return command if subprocess.call(command + ['true'], stderr=subprocess.DEVNULL) == 0 else []


def unmount(directory):
    """A file system is busy for a moment after its last user."""
    for _ in range(100):
        if subprocess.call(['umount', directory], stderr=subprocess.DEVNULL) == 0:
            return
        time.sleep(0.05)
    run('umount', directory)


# ---- messages: all of one follows from its number ----

# Where a message goes, by its number: the mailboxes that it has to reach
KINDS = ['inbox', 'mbox', 'mh', 'files', 'append', 'inbox', 'late', 'two', 'loop', 'inbox', 'large', 'mbox', 'mh']
BOXES = {'inbox': ['inbox'], 'large': ['inbox'], 'late': ['late'], 'two': ['inbox', 'late'], 'loop': ['bounces']}
DOMAIN = 'test.example'


def kind_of(n):
    return KINDS[n % len(KINDS)]


def boxes_of(n):
    return BOXES.get(kind_of(n), [kind_of(n)])


def body_of(n):
    # a file of its own, or large to the deliverers but among others in the journal
    lines = (8000, 2500)[n % 2] if kind_of(n) == 'large' else n * 7919 % 120
    return b''.join(b'line %d of number %d, which is not short\n' % (i, n) for i in range(lines)) + b'end %d\n' % n


def message_of(n):
    trap = b'Delivered-To: loop@%s\n' % DOMAIN.encode() if kind_of(n) == 'loop' else b''
    return trap + b'Subject: number %d\n\n' % n + body_of(n)


def messages_in(mail, box):
    """The bytes of each message in a mailbox that a reader would see."""
    def read(*path):
        with open(os.path.join(mail, *path), 'rb') as f:
            return f.read()
    try:
        if box in ('mbox', 'append'):
            data = read(box)
            start = b'From ' if box == 'mbox' else b'Received: '
            parts = re.split(rb'^(?=%s)' % start, data, flags=re.M)
            return [p.split(b'\n', 1)[1][:-1] if box == 'mbox' else p for p in parts if p]
        if box in ('mh', 'files'):
            return [read(box, name) for name in os.listdir(os.path.join(mail, box)) if (name.isdigit() if box == 'mh' else name[0] != '.')]
        return [read(box, sub, name) for sub in ('new', 'cur') for name in os.listdir(os.path.join(mail, box, sub))]
    except FileNotFoundError:
        return []


def look(mail):
    """How often each (number, mailbox) is there, and what is there that should not be."""
    found, faults = collections.Counter(), []
    for box in ('inbox', 'mbox', 'mh', 'files', 'append', 'late', 'bounces'):
        for message in messages_in(mail, box):
            subject = re.search(rb'^Subject: number ([0-9]+)$', message, re.M)
            if not subject:
                faults.append('%s: %d bytes that are no message: %r' % (box, len(message), message[:60]))
                continue
            n = int(subject.group(1))
            found[n, box] += 1
            if box not in boxes_of(n):
                faults.append('%d is in %s' % (n, box))
            elif box == 'bounces':
                if body_of(n) not in message:
                    faults.append('the notification about %d is not whole' % n)
            elif not message.endswith(b'\n\n' + body_of(n)):
                faults.append('%d in %s is not whole: %d bytes, %r' % (n, box, len(message), message[-60:]))
    return found, faults


# ---- the chain ----

SEND_CONF = ''.join('route rcpt %s@%s to %s\n' % (name, DOMAIN, drops) for name, drops in (
    ('mbox', 'local:mbox'), ('mh', 'local:mh'), ('files', 'local:files'), ('append', 'local:append'), ('late', 'late:late'),
    ('two', 'local:inbox late:late'), ('bounces', 'local:bounces'))) + 'retry 1s until 1h\n'


class Chain:
    """queue, send and two deliverers on a mounted file system; the sockets are elsewhere."""

    def __init__(self, root, run_directory, started_now=False):
        """started_now: the host was, a moment ago."""
        self.before = as_if_started_now() if started_now else []
        self.spool, self.mail, self.run = os.path.join(root, 'spool'), os.path.join(root, 'mail'), run_directory
        os.makedirs(run_directory, exist_ok=True)
        self.log = os.path.join(run_directory, 'log')
        self.stages = {}
        with open(self.path('local.conf'), 'w') as f:
            for name, kind in (('inbox', 'maildir'), ('bounces', 'maildir'), ('mbox', 'mbox'), ('mh', 'mh'), ('files', 'files'), ('append', 'append')):
                f.write('drop %s %s %s/%s\n' % (name, kind, self.mail, name))
        with open(self.path('late.conf'), 'w') as f:
            f.write('drop late maildir %s/late\n' % self.mail)
        with open(self.path('send.conf'), 'w') as f:
            f.write(SEND_CONF)

    def path(self, name):
        return os.path.join(self.run, name)

    @staticmethod
    def make(root):
        for place in PLACES:
            os.makedirs(os.path.join(root, 'spool', place))
        os.mkdir(os.path.join(root, 'mail'))

    def start(self, stage):
        options = {
            'queue': ['--in', self.path('queue.ctrl'), '--out', self.path('send.ctrl'), '--spool', self.spool, '--key-hold', '1'],
            'send': ['--in', self.path('send.ctrl'), '--in', self.path('admin.ctrl'), '--out', self.path('local.ctrl'), '--out', self.path('late.ctrl'),
                     '--spool', self.spool, '--config', self.path('send.conf'), '--journal-wait', '1s'],
            'local': ['--in', self.path('local.ctrl'), '--config', self.path('local.conf')],
            'late': ['--in', self.path('late.ctrl'), '--config', self.path('late.conf')],
        }[stage]
        program = os.path.join(BIN, 'deaddrop-' + ('local' if stage == 'late' else stage))
        with open(self.log, 'ab') as log:
            self.stages[stage] = subprocess.Popen(self.before + [program] + options, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, stage, how=signal.SIGTERM):
        stage = self.stages.pop(stage)
        stage.send_signal(how)
        try:
            stage.wait(20)
        except subprocess.TimeoutExpired:
            stage.kill()
            stage.wait()

    def start_all(self):
        for stage in ('local', 'late', 'send', 'queue'):
            self.start(stage)

    def stop_all(self, how=signal.SIGTERM):
        for stage in list(self.stages):
            self.stop(stage, how)

    def submit(self, n):
        """Whether sendmail accepted message n."""
        command = [os.path.join(BIN, 'deaddrop-inject'), '--out', self.path('queue.ctrl'), '-i', '-f', 'bounces@' + DOMAIN, '%s@%s' % (kind_of(n), DOMAIN)]
        p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        p.communicate(message_of(n))
        return p.returncode == 0

    def tell(self, name):
        """What the spool and the log know of what was left there."""
        about = os.path.basename(name).split('.')[0]
        if about.endswith('-b'):
            about = about[:-2]
        try:
            with open(os.path.join(self.spool, name), 'rb') as f:
                lines = [line.decode(errors='replace') for line in f.read().split(b'\n') if line.startswith(b'%o ')]
            with open(self.log, errors='replace') as f:
                lines += [line for line in f.read().split('\n') if about + ' ' in line or about + '-b ' in line]
        except OSError as e:
            lines = [str(e)]
        return '\n    '.join([name] + lines)

    def left(self):
        """What waits in the spool.  An empty journal file, or one of NULs, is queue's stock and no message."""
        left = []
        for place in PLACES:
            for name in os.listdir(os.path.join(self.spool, place)):
                if name in ('lock', 'mark', 'config', 'away'):
                    continue
                if place == 'journal':
                    try:
                        with open(os.path.join(self.spool, place, name), 'rb') as f:
                            if not f.read(16).strip(b'\0'):
                                continue
                    except FileNotFoundError:
                        continue
                left.append(place + '/' + name)
        return left


# ---- a run whose disk keeps a log ----

class Log:
    """What the disk was asked, in order: entries are (kind, first, length, where the data is)."""

    def __init__(self, path):
        self.entries, self.file = [], open(path, 'rb')
        at, size = 0, os.fstat(self.file.fileno()).st_size
        while at < size:
            kind, first, length, _ = struct.unpack('4Q', os.pread(self.file.fileno(), 32, at))
            self.entries.append((chr(kind), first, length, at + 32))
            at += 32 + length
        self.flushed, flushed = [0], 0          # flushed[c]: how many entries are safe when c were logged
        for kind, first, _, _ in self.entries:
            if kind == 'F':
                flushed = max(flushed, first)
            self.flushed.append(flushed)

    def data(self, entry):
        return os.pread(self.file.fileno(), entry[2], entry[3])

    def marks(self, cut):
        return [int(self.data(e)) for e in self.entries[:cut] if e[0] == 'M']


class Recording:
    """A file system in an image, mounted on a disk that logs."""

    def __init__(self, image, directory):
        self.image, self.log, self.fuse, self.root = image, directory + '.log', directory + '.fuse', directory + '.mnt'
        for d in (self.fuse, self.root):
            os.mkdir(d)
        self.disk = subprocess.Popen([DISK, image, self.log, self.fuse], stdin=subprocess.DEVNULL)
        if not wait_for(5, lambda: os.path.ismount(self.fuse) or self.disk.poll() is not None, 0.01) or self.disk.poll() is not None:
            raise OSError('no disk')
        self.marks = os.open(os.path.join(self.fuse, 'mark'), os.O_WRONLY)

    def mount(self, options):
        run('mount', '-o', options, os.path.join(self.fuse, 'disk'), self.root)

    def mark(self, n):
        os.write(self.marks, b'%d' % n)

    def close(self):
        """The log of what was asked up to now; how the file system is left is not in it."""
        self.mark(0)
        unmount(self.root)
        os.close(self.marks)
        unmount(self.fuse)
        self.disk.wait()
        log = Log(self.log)
        os.unlink(self.log)
        end = max(i for i, e in enumerate(log.entries) if e[0] == 'M')
        del log.entries[end:]
        return log


def feed(chain, recording, seconds, kills, chance):
    """Four submitters; what comes late comes and goes, and with kills the stages do."""
    end = time.monotonic() + seconds
    serial = iter(range(1, 1 << 20))
    lock = threading.Lock()

    def submitter():
        while time.monotonic() < end:
            with lock:
                n = next(serial)
            if chain.submit(n):
                recording.mark(n)
            time.sleep(PAUSE)
    threads = [threading.Thread(target=submitter) for _ in range(4)]
    for t in threads:
        t.start()
    while time.monotonic() < end:
        stage = chance.choice(['late', 'queue', 'send', 'local'] if kills else ['late'])
        how = signal.SIGKILL if kills and chance.random() < 0.7 else signal.SIGTERM
        chain.stop(stage, how)
        time.sleep(chance.random() * (1.0 if stage == 'late' else 0.1))
        chain.start(stage)
        time.sleep(chance.random() * 0.5)
    for t in threads:
        t.join()


def copy_sparse(source, target):
    """Copies an image, holes as holes."""
    with open(source, 'rb') as a, open(target, 'wb') as b:
        size = os.fstat(a.fileno()).st_size
        b.truncate(size)
        at = 0
        while True:
            try:
                at = os.lseek(a.fileno(), at, os.SEEK_DATA)
            except OSError as e:
                if e.errno != errno.ENXIO:
                    raise
                return
            end = os.lseek(a.fileno(), at, os.SEEK_HOLE)
            while at < end:
                data = os.pread(a.fileno(), min(end - at, 1 << 22), at)
                os.pwrite(b.fileno(), data, at)
                at += len(data)


# ---- cuts ----

WAYS = ('all of the rest', 'nothing of it', 'half of it', 'most of it', 'little of it')


def apply_rest(log, image, cut, way, chance):
    """Of the writes that no flush covers, those that happen to have reached the disk."""
    keep = (1, 0, 0.5, 0.9, 0.1)[way]
    with open(image, 'r+b') as f:
        for entry in log.entries[log.flushed[cut]:cut]:
            if entry[0] != 'W' or chance.random() >= keep:
                continue
            data = log.data(entry)
            if keep == 1 or len(data) <= SECTOR or chance.random() < 0.7:
                os.pwrite(f.fileno(), data, entry[1])
                continue
            for at in range(0, len(data), SECTOR):
                if chance.random() < 0.5:
                    os.pwrite(f.fileno(), data[at:at + SECTOR], entry[1] + at)


def make_cuts(log, first_image, count, directory, chance, wanted):
    """Images as power cuts left them, each with its tale, ready for use: yields (name, image, numbers accepted)."""
    base = os.path.join(directory, 'base')
    copy_sparse(first_image, base)
    cuts = sorted(chance.randrange(1, len(log.entries) + 1) for _ in range(count))
    done = 0
    with open(base, 'r+b', buffering=0) as f:
        for serial, cut in enumerate(cuts):
            for entry in log.entries[done:log.flushed[cut]]:
                if entry[0] == 'W':
                    os.pwrite(f.fileno(), log.data(entry), entry[1])
            done = max(done, log.flushed[cut])
            way = chance.randrange(len(WAYS))
            image = os.path.join(directory, 'cut%d' % serial)
            copy_sparse(base, image)
            apply_rest(log, image, cut, way, chance)
            yield ('cut at %d of %d, %d flushed, %s' % (cut, len(log.entries), log.flushed[cut], WAYS[way]), image, wanted | set(log.marks(cut)))
    os.unlink(base)


# ---- recovery ----

NEW = 100000 * len(KINDS)       # the number of a message that is sent then, to the inbox


def recover(root, run_directory, accepted, recording=None):
    """Starts the chain on what a cut left; what is wrong in the end."""
    chain = Chain(root, run_directory, True)
    chain.start_all()
    new = NEW + len(KINDS) if recording else NEW
    accepted = accepted | {new}
    try:
        faults = [] if chain.submit(new) else ['a new message is not accepted']
        if recording:
            recording.mark(new)
        if not wait_for(30, lambda: not chain.left()):
            faults += ['left in the spool: ' + chain.tell(name) for name in chain.left()[:10]]
        for stage, process in chain.stages.items():
            if process.poll() is not None:
                faults.append('%s ended with %d' % (stage, process.returncode))
    finally:
        chain.stop_all()
    found, wrong = look(chain.mail)
    faults += wrong + ['%d is %d times in %s' % (n, count, box) for (n, box), count in found.items() if count > 1]
    faults += ['%d is lost from %s' % (n, box) for n in sorted(accepted) if n for box in boxes_of(n) if not found[n, box]]
    if faults:
        with open(chain.log, errors='replace') as f:
            log = f.read()
        faults = faults[:12] + [log[-6000:] if KEEP else log[-1500:]]
    return faults


class Cuts:
    """Recovers from cuts, a few at a time, and keeps the faults."""

    def __init__(self, scratch, fs):
        self.scratch, self.options, self.check = scratch, FILESYSTEMS[fs][2], FILESYSTEMS[fs][3]
        self.workers = WORKERS_OF.get(fs, WORKERS)
        self.faults, self.count, self.checked = [], 0, []
        self.room = threading.Semaphore(self.workers + 2)

    def one(self, serial, tale, image, accepted):
        where = os.path.join(self.scratch, 'recover.%d' % serial)
        root = where + '.mnt'
        try:
            os.mkdir(root)
            keep = image + '.kept'
            if KEEP:
                copy_sparse(image, keep)
            run('mount', '-o', self.options, image, root)
            try:
                faults = recover(root, where, accepted)
            finally:
                unmount(root)
            if serial % 8 == 0:
                self.checked.append(serial)
                run(*self.check, image)
        except OSError as e:
            faults = [str(e)]
        finally:
            self.room.release()
        if faults:
            self.faults.append('%s:\n  %s' % (tale, '\n  '.join(faults)))
        if faults and KEEP:
            diag('kept: %s, log %s' % (keep, where))
        else:
            shutil.rmtree(where, ignore_errors=True)
            if KEEP:
                os.unlink(keep)
        os.unlink(image)

    def run(self, cuts):
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            jobs = []
            self.room.acquire()
            for cut in cuts:
                jobs.append(pool.submit(self.one, self.count, *cut))
                self.count += 1
                self.room.acquire()
            self.room.release()
            for job in jobs:
                job.result()


def fresh_image(scratch, name, fs):
    """An image with a file system with empty directories for the chain."""
    size, mkfs, options, _ = FILESYSTEMS[fs]
    image, root = os.path.join(scratch, name), os.path.join(scratch, name + '.mnt')
    with open(image, 'wb') as f:
        f.truncate(size << 20)
    run(*mkfs, image)
    os.mkdir(root)
    run('mount', '-o', options, image, root)
    Chain.make(root)
    unmount(root)
    return image


def test(scratch, fs, kills, count):
    """Returns the image at the beginning and the log, for more cuts."""
    options = FILESYSTEMS[fs][2]
    name = '%s%s' % (fs, ', stages are killed too' if kills else '')
    chance = random.Random('%d %s' % (SEED, name))
    directory = tempfile.mkdtemp(dir=scratch)
    first = fresh_image(directory, 'first', fs)
    live = os.path.join(directory, 'live')
    copy_sparse(first, live)
    recording = Recording(live, os.path.join(directory, 'rec'))
    recording.mount(options)
    chain = Chain(recording.root, os.path.join(directory, 'run'))
    chain.start_all()
    try:
        feed(chain, recording, SECONDS, kills, chance)
    finally:
        chain.stop_all(signal.SIGKILL)
    log = recording.close()
    os.unlink(live)
    accepted = log.marks(len(log.entries))
    counts = collections.Counter(e[0] for e in log.entries)
    diag('%s: %d messages accepted, %d writes of %d KiB, %d flushes' % (name, len(accepted), counts['W'],
         sum(e[2] for e in log.entries if e[0] == 'W') >> 10, counts['F']))
    ok(len(accepted) > 20, '%s: mail flows' % name)

    begun = time.monotonic()
    cuts = Cuts(directory, fs)
    cuts.run(make_cuts(log, first, count, directory, chance, set()))
    diag('%d cuts in %d seconds; %d file systems checked after' % (cuts.count, time.monotonic() - begun, len(cuts.checked)))
    ok(not cuts.faults, '%s: after %d power cuts all that was accepted is there once and whole' % (name, cuts.count),
       '%d of %d:\n%s' % (len(cuts.faults), cuts.count, '\n'.join(cuts.faults[:5])))
    test_twice(directory, fs, name, log, first, max(1, count // 100), max(10, count // 6), chance)
    if not KEEP:
        shutil.rmtree(directory)


def test_twice(directory, fs, name, log, first, outer, inner, chance):
    """A cut, and a second one while the chain recovers from it."""
    options = FILESYSTEMS[fs][2]
    cuts = Cuts(directory, fs)
    cuts.count = 100000
    faults = []
    twice = tempfile.mkdtemp(dir=directory)
    for serial, (tale, image, accepted) in enumerate(make_cuts(log, first, outer, twice, chance, set())):
        live = image + '.live'
        copy_sparse(image, live)
        recording = Recording(live, os.path.join(twice, 'rec%d' % serial))
        recording.mount(options)
        faults += recover(recording.root, os.path.join(twice, 'run%d' % serial), accepted, recording)
        second = recording.close()
        time.sleep(1)       # the host does not start again at once
        os.unlink(live)
        place = tempfile.mkdtemp(dir=twice)
        cuts.run(('%s; then %s' % (tale, t), i, a) for t, i, a in make_cuts(second, image, inner, place, chance, accepted))
        os.unlink(image)
    faults += cuts.faults
    ok(not faults, '%s: after %d cuts during the recoveries from %d cuts too' % (name, cuts.count - 100000, outer),
       '%d:\n%s' % (len(faults), '\n'.join(faults[:5])))


def skip(why):
    print('1..0 # SKIP ' + why)
    sys.exit(0)


def why_not(scratch):
    """Whether loop devices and FUSE are to be had: the reason, or None."""
    directory = tempfile.mkdtemp(dir=scratch)
    try:
        recording = Recording(fresh_image(directory, 'probe', 'ext4'), os.path.join(directory, 'rec'))
        recording.mount(FILESYSTEMS['ext4'][2])
        recording.close()
    except OSError as e:
        return str(e).split('\n')[0]
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main():
    if os.geteuid() != 0:
        skip('needs root')
    if not os.environ.get('POWER_FS') and not os.environ.get('DEADDROP_INSIDE'):
        # The other file systems' programs need not be on the host; where they cannot be had ext4 is enough.
        os.environ['DEADDROP_INSIDE'] = '1'
        peers = [os.path.join(TOP, 'tests', 'peers'), 'xfsprogs', 'btrfs-progs', '--']
        if subprocess.call(peers + ['true'], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            os.execv(peers[0], peers + [os.path.abspath(__file__)])
    if os.environ.get('POWER_INSIDE') != '1':
        # What is mounted, and who runs, ends with the test.
        os.environ['POWER_INSIDE'] = '1'
        os.execvp('unshare', ['unshare', '-m', '-p', '-f', '--kill-child', '--mount-proc', sys.executable, os.path.abspath(__file__)])
    scratch = tempfile.mkdtemp(prefix='deaddrop-test.', dir='/tmp')
    # An earlier end by a signal must not leave the memory in use: the file system ends with the name space.
    run('mount', '-t', 'tmpfs', '-o', 'size=75%,mode=755', 'power', scratch)
    why = why_not(scratch)
    if why:
        unmount(scratch)
        os.rmdir(scratch)
        skip('no disk of our own can be mounted here: ' + why)
    chosen = os.environ.get('POWER_FS', 'ext4 xfs btrfs').split()
    diag('seed %d' % SEED)
    begun = time.monotonic()
    for fs in chosen:
        if not shutil.which(FILESYSTEMS[fs][1][0]):
            global number
            number += 1
            print('ok %d # SKIP %s: no %s' % (number, fs, FILESYSTEMS[fs][1][0]), flush=True)
            continue
        count = max(1, int(CUTS * SHARES[fs]))
        test(scratch, fs, False, count)
        if fs == 'ext4':
            test(scratch, fs, True, max(1, count // 2))
    diag('%d seconds' % (time.monotonic() - begun))
    print('1..%d' % number)
    if not KEEP:
        unmount(scratch)
        os.rmdir(scratch)


main()
