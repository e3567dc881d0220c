#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The legal moves of deaddrop-spool(5), step by step.  queue and send run under strace, which kills them before their N-th call of a kind, or
has that call fail, for every N.  Then they are started again in peace: what was answered must be there once, attempts that may have
succeeded must have been asked for as unclear, and the spool must be clean.

STEPS_ALL=1 runs every N (minutes); otherwise a sample.  STEPS_ONLY=REGEX chooses scenarios by name.  STEPS_BUILD: where the programs are."""
import array, concurrent.futures, hashlib, os, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('STEPS_BUILD', os.path.join(TOP, 'build'))
BIN, MAKE = os.path.join(BUILD, 'bin'), os.path.join(BUILD, 'tests', 'crash', 'mkjournal')
ALL, ONLY = os.environ.get('STEPS_ALL') == '1', re.compile(os.environ.get('STEPS_ONLY', '.'))
WORKERS = int(os.environ.get('STEPS_WORKERS', '16'))
PLACES = ('journal', 'outcome', 'deferred', 'dead')
NAME = re.compile(r'^[0-9]{16}-')

scratch = tempfile.mkdtemp(prefix='deaddrop-test.', dir='/tmp')
number = 0
printing = threading.Lock()


def ok(good, name, why=''):
    global number
    with printing:
        number += 1
        print('ok' if good else 'not ok', number, '-', name, flush=True)
        if not good:
            print('# ' + str(why).replace('\n', '\n# '), flush=True)


def wait_for(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def strace(call, inject):
    return ['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=' + call, '-e', 'inject=%s:%s' % (call, inject)]


def names(spool, place):
    return sorted(n for n in os.listdir(os.path.join(spool, place)) if n not in ('lock', 'mark', 'config', 'away'))


def new_spool(prefix):
    spool = tempfile.mkdtemp(prefix=prefix, dir=scratch)
    for place in PLACES:
        os.mkdir(os.path.join(spool, place))
    return spool


def show_log(path):
    with open(path, errors='replace') as f:
        return f.read()[-1500:]


# ---- a deliverer that keeps account ----

class Deliverer:
    """Answers jobs by policy(subject, try).  One that is asked twice for the same attempt without unclear=1 has found a fault; but what a killed send left
    in its connection may be read when the next one has asked already, and was asked before."""

    def __init__(self, spool, policy):
        self.policy, self.stored, self.asked, self.faults, self.unclear = policy, {}, {}, [], 0
        self.path = os.path.join(spool, 'local.ctrl')
        self.lock = threading.Lock()
        self.accepted, self.stored_by = 0, {}
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        os.unlink(self.path)
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()

    def accept(self):
        while True:
            try:
                connection = self.server.accept()[0]
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.serve, args=(connection, self.accepted), daemon=True).start()

    def serve(self, connection, serial):
        data, fds, job = b'', [], {}
        try:
            connection.sendall(b'8:Hlocal 1,')
            while True:
                colon = data.find(b':')
                if colon >= 0 and len(data) >= colon + 2 + int(data[:colon]):
                    length = int(data[:colon])
                    frame, data = data[colon + 1:colon + 1 + length], data[colon + 2 + length:]
                    self.frame(connection, serial, job, frame, fds)
                    continue
                more, ancillary, _, _ = connection.recvmsg(1 << 18, 256)
                for level, kind, value in ancillary:
                    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                        got = array.array('i')
                        got.frombytes(value[:len(value) - len(value) % got.itemsize])
                        fds.extend(got)
                if not more:
                    break
                data += more
        except OSError:
            pass
        finally:
            connection.close()
            for fd in fds:
                os.close(fd)

    def frame(self, connection, serial, job, frame, fds):
        kind, value = chr(frame[0]), frame[1:]
        if kind == 'J':
            job.clear()
            job.update(key=value.decode(), body=b'', count=0, unclear=False, tries=0)
        elif kind == 'A' and value == b'unclear=1':
            job['unclear'] = True
        elif kind == 'A' and value.startswith(b'try='):
            job['tries'] = int(value[4:])
        elif kind == 'R':
            job['count'] += 1
        elif kind == 'B':
            job['body'] += value
        elif kind == 'F':
            offset, length = map(int, value.split())
            fd = fds.pop(0)
            rest = os.pread(fd, length, offset)
            os.close(fd)
            job['body'] += rest
        elif kind == 'E':
            self.deliver(connection, serial, job)

    def deliver(self, connection, serial, job):
        subject = re.search(rb'^Subject: (.*)$', job['body'], re.M)
        subject = subject.group(1).decode() if subject else '?'
        key, attempt = job['key'], (job['key'], job['tries'])
        verdict = self.policy(subject, job['tries'])
        with self.lock:
            if self.asked.get(attempt, serial + 1) <= serial and not job['unclear']:
                self.faults.append('%s try %d was asked again and not as unclear' % attempt)
            if self.stored_by.get(key, serial + 1) <= serial and not job['unclear']:
                self.faults.append('%s is delivered and was asked again, not as unclear' % key)
            self.asked[attempt] = min(serial, self.asked.get(attempt, serial))
            self.unclear += job['unclear']
            if key in self.stored:
                verdict = 'K'
            elif verdict == 'K':
                self.stored_by[key] = serial
                self.stored[key] = (subject, hashlib.sha256(job['body']).hexdigest())
        if verdict == '-':      # dies instead of answering
            connection.shutdown(socket.SHUT_RDWR)
            return
        status = {'K': '2.0.0', 'Z': '4.2.0', 'X': '5.1.1'}[verdict]
        for n in range(job['count']):
            text = ('%s%s %d %s as told' % (verdict, key, n, status)).encode()
            connection.sendall(b'%d:%s,' % (len(text), text))


# ---- send ----

class Scenario:
    def __init__(self, name, bodies, policy, delivered, dead=(), config='', options=(), ended=True, damage=None, before=None, away=False,
                 until=None, sender=None, bounced=(), restarts=False, sample=4):
        self.name, self.bodies, self.policy, self.delivered, self.dead = name, bodies, policy, sorted(delivered), sorted(dead)
        self.config, self.options, self.ended, self.damage = config, list(options), ended, damage
        self.before, self.away, self.until, self.sender, self.sample = before, away, until, sender, sample
        self.bounced, self.restarts = sorted(bounced), restarts         # restarts: some of what failed is made good by the next start
        self.template = None

    def make(self):
        self.template = new_spool('template.')
        with open(os.path.join(self.template, 'send.conf'), 'w') as f:
            f.write(self.config)
        paths = []
        for i, body in enumerate(self.bodies):
            paths.append(os.path.join(scratch, '%s.%d' % (self.name.replace(' ', '-'), i)))
            with open(paths[-1], 'wb') as f:
                f.write(b'Subject: m%d\n\n%s' % (i, body))
        self.sums = {'m%d' % i: hashlib.sha256(open(p, 'rb').read()).hexdigest() for i, p in enumerate(paths)}
        journal = os.path.join(self.template, 'journal')
        words = subprocess.check_output([MAKE] + (['-e'] if self.ended else []) + (['-s', self.sender] if self.sender is not None else [])
                                        + [journal] + paths).decode().split()
        self.file, offsets = words[0], list(map(int, words[1:]))
        if self.damage is not None:
            with open(os.path.join(journal, self.file), 'r+b') as f:
                f.seek(offsets[self.damage] + 30)
                byte = f.read(1)
                f.seek(-1, 1)
                f.write(bytes([byte[0] ^ 1]))
        if self.before:
            deliverer = Deliverer(self.template, self.before)
            run_send(self, self.template, [], 20)
            deliverer.close()
            for name in os.listdir(self.template):
                if 'ctrl' in name:
                    os.unlink(os.path.join(self.template, name))
            time.sleep(1.2)
        os.utime(os.path.join(journal, self.file), (0, 0)) if os.path.exists(os.path.join(journal, self.file)) else None

    def copy(self):
        spool = tempfile.mkdtemp(prefix='run.', dir=scratch)
        shutil.copytree(self.template, spool, dirs_exist_ok=True, symlinks=True)
        return spool


def send_command(scenario, spool, once=True, sandbox='on'):
    return [os.path.join(BIN, 'deaddrop-send'), '--spool', spool, '--out', os.path.join(spool, 'local.ctrl'), '--in', os.path.join(spool, 'send.ctrl'),
            '--config', os.path.join(spool, 'send.conf'), '--logfile', os.path.join(spool, 'log'),
            '--sandbox', sandbox] + (['--once'] if once else []) + scenario.options


def run_send(scenario, spool, prefix, seconds, once=True, until=None):
    """Its exit code; -9 where it was killed by the step.  Without --once it is stopped as soon as until() holds, or after seconds."""
    # a call that strace lets fail is none that the sandbox knows
    command = send_command(scenario, spool, once, 'off' if any('error=' in word for word in prefix) else 'on')
    p = subprocess.Popen(prefix + command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not once:
        wait_for(seconds, lambda: p.poll() is not None or until())
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
        seconds = 25
    try:
        return p.wait(seconds)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        return 'hung'


def is_through(scenario, spool):
    if names(spool, 'journal') or names(spool, 'outcome') or names(spool, 'deferred'):
        return False
    return [n for n in names(spool, 'dead') if not n.endswith('.tmp')] == expected_dead(scenario)


def expected_dead(scenario):
    return sorted(scenario.file if d == 'file' else '%s-%s' % (scenario.file, d) for d in scenario.dead)


def judge(scenario, spool, deliverer):
    faults = list(deliverer.faults)
    notices = {key for key in deliverer.stored if '-b-' in key}
    got = sorted(s for key, (s, _) in deliverer.stored.items() if key not in notices)
    if got != scenario.delivered:
        faults.append('delivered %s, wanted %s' % (got, scenario.delivered))
    if sorted(key.split('-')[2] for key in notices) != scenario.bounced:
        faults.append('notifications %s, wanted of %s' % (sorted(notices), scenario.bounced))
    faults += ['%s is not what was stored' % s for key, (s, digest) in deliverer.stored.items() if key not in notices and digest != scenario.sums.get(s)]
    for place in PLACES:
        wanted = expected_dead(scenario) if place == 'dead' else []
        left = names(spool, place)
        if left != wanted:
            faults.append('left in %s: %s' % (place, left))
    return faults


def settle(scenario, spool):
    """Runs send in peace until nothing is left to do."""
    for _ in range(6):
        status = run_send(scenario, spool, [], 20)
        if is_through(scenario, spool):
            break
        time.sleep(1.15)
    return status


def one_send(scenario, call, inject, n, error):
    """One run with a fault in it.  (killed, faults, whether it went on without a restart, unclear attempts)"""
    spool = scenario.copy()
    deliverer = None if scenario.away else Deliverer(spool, scenario.policy)
    once = scenario.until is None and not error
    until = (lambda: scenario.until(spool)) if scenario.until else (lambda: is_through(scenario, spool))
    persistent = inject.endswith('+')
    status = run_send(scenario, spool, strace(call, inject), 2 if persistent else 9 if error else 20, once, until)
    went_on = bool(until())
    if deliverer is None:
        deliverer = Deliverer(spool, scenario.policy)
    faults = [] if status in (0, 75, -9) or error and status in REFUSED else ['it hung or crashed']
    if error and status in REFUSED:
        went_on = True
    final = settle(scenario, spool)
    faults += judge(scenario, spool, deliverer)
    if faults:
        faults = ['%s %s:%s: exit %s, then %s: %s' % (scenario.name, call, inject, status, final, '; '.join(faults)), show_log(os.path.join(spool, 'log'))]
    deliverer.close()
    if not faults:
        shutil.rmtree(spool, ignore_errors=True)
    return status == -9, faults, went_on, deliverer.unclear


def count_calls(command, calls, spool, drive):
    """How often each call is made, by the thread that makes it most often, and which is the first that concerns the spool."""
    trace = os.path.join(spool, 'trace')
    p = subprocess.Popen(['strace', '-D', '-f', '-qq', '-o', trace, '-e', 'trace=' + ','.join(calls)] + command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    drive(p)
    p.wait()
    time.sleep(0.1)
    counts, first = {}, {}
    with open(trace, errors='replace') as f:
        for line in f:
            m = re.match(r'^(\d+)\s+(\w+)\(', line)
            if not m:
                continue
            place = (m.group(2), m.group(1))
            counts[place] = counts.get(place, 0) + 1
            if m.group(2) not in first and re.search(r'journal|outcome|lock|mark|send\.conf', line):
                first[m.group(2)] = counts[place]
    most = {}
    for (call, _), count in counts.items():
        most[call] = max(most.get(call, 0), count)
    return most, first


def choose(first, last, sample):
    """The Ns of a call: all, or the first ones and some of the others."""
    everything = list(range(first, last + 2))
    if ALL or len(everything) <= sample:
        return everything
    step = (len(everything) - 1) / (sample - 1)
    return sorted({everything[round(i * step)] for i in range(sample)})


REFUSED = (66, 71, 73, 74)        # it may refuse to start
KILL_CALLS = ('openat', 'write', 'pwrite64', 'pwritev', 'fsync', 'fdatasync', 'rename', 'renameat', 'renameat2', 'unlinkat', 'unlink', 'linkat', 'ftruncate',
              'fallocate', 'copy_file_range', 'sendmsg', 'sendto', 'flock', 'sync_file_range')
ERROR_CALLS = ('write', 'pwrite64', 'pwritev', 'fsync', 'fdatasync', 'renameat', 'renameat2', 'unlinkat', 'ftruncate', 'fallocate', 'copy_file_range')


def send_counts(scenario):
    spool = scenario.copy()
    deliverer = None if scenario.away else Deliverer(spool, scenario.policy)
    once = scenario.until is None

    def drive(p):
        if not once:
            wait_for(15, lambda: scenario.until(spool))
            p.send_signal(signal.SIGTERM)
    result = count_calls(send_command(scenario, spool, once), KILL_CALLS, spool, drive)
    if deliverer:
        deliverer.close()
    shutil.rmtree(spool, ignore_errors=True)
    return result


def report(kind, scenario, results, extra=''):
    bad = [f for _, faults, _, _ in results for f in faults]
    killed = sum(k for k, _, _, _ in results)
    unclear = sum(u for _, _, _, u in results)
    note = '%d runs, %d killed, %d unclear attempts' % (len(results), killed, unclear) if kind == 'killed' else '%d runs' % len(results)
    ok(not bad, '%s: %s at each step (%s)%s' % (scenario, kind, note, extra), '\n'.join(bad[:6]))


def test_send(scenario, pool):
    scenario.make()
    counts, first = send_counts(scenario)
    plan = [(call, n) for call in KILL_CALLS if call in counts for n in choose(first.get(call, 1), counts[call], scenario.sample)]
    results = list(pool.map(lambda x: one_send(scenario, x[0], 'signal=KILL:when=%d' % x[1], x[1], False), plan))
    report('killed', 'send, ' + scenario.name, results)
    for error in (('ENOSPC', 'EIO') if ALL else ('ENOSPC',) if SCENARIOS.index(scenario) % 2 else ('EIO',)) if scenario.ended else ():
        plan = [(call, n) for call in ERROR_CALLS if call in counts for n in choose(1, counts[call], max(3, scenario.sample - 1))]
        runs = [(c, 'error=%s:when=%d' % (error, n), n) for c, n in plan]
        results = list(pool.map(lambda x: one_send(scenario, x[0], x[1], x[2], True), runs))
        stayed = [r for r, x in zip(runs, results) if not x[2]]
        report('a call that fails with ' + error, 'send, ' + scenario.name, results)
        ok(not stayed or scenario.restarts, 'send, %s: and goes on %s a restart' % (scenario.name, 'with or without' if scenario.restarts else 'without'), '\n'.join('%s:%s' % r[:2] for r in stayed))
        runs = [(c, 'error=%s:when=1+' % error, 1) for c in ERROR_CALLS if c in counts]
        if ALL:
            runs += [(c, 'error=%s:when=%d+' % (error, n), n) for c in ERROR_CALLS if c in counts for n in choose(2, counts[c], 3)]
        results = list(pool.map(lambda x: one_send(scenario, x[0], x[1], x[2], True), runs))
        report('calls that fail from then on with ' + error, 'send, ' + scenario.name, results)


def start_admin(scenario, spool, prefix=()):
    p = subprocess.Popen(list(prefix) + send_command(scenario, spool, False) + ['--in', os.path.join(spool, 'admin.ctrl')], stdin=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    wait_for(10, lambda: p.poll() is not None or os.path.exists(os.path.join(spool, 'admin.ctrl')))
    return p


def release_dead(scenario, spool, p):
    """Has the running send release the dead message, and stops it when all is done.  Whether it said that it did."""
    answer = subprocess.Popen([os.path.join(BIN, 'deaddrop-mailq'), '--admin', os.path.join(spool, 'admin.ctrl'), 'release', scenario.file + '-0'],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    told = wait_status(answer, 15) == 0
    wait_for(4, lambda: p.poll() is not None or is_through(scenario, spool))
    if p.poll() is None:
        p.send_signal(signal.SIGTERM)
    return told


def one_release(scenario, call, n):
    """One kill while a dead message is released.  (killed, faults, -, unclear attempts)"""
    spool = scenario.copy()
    deliverer = Deliverer(spool, scenario.policy)
    p = start_admin(scenario, spool, strace(call, 'signal=KILL:when=%d' % n))
    told = release_dead(scenario, spool, p)
    killed = wait_status(p, 20) == -9
    for name in ('admin.ctrl', 'send.ctrl'):
        if os.path.exists(os.path.join(spool, name)):
            os.unlink(os.path.join(spool, name))
    run_send(scenario, spool, [], 20)
    settle(scenario, spool)
    faults = []
    if names(spool, 'dead'):            # it is dead still, so it must not have gone out
        if told or deliverer.stored:
            faults.append('released: %s, delivered: %d, and it is dead still' % (told, len(deliverer.stored)))
        p = start_admin(scenario, spool)
        release_dead(scenario, spool, p)
        wait_status(p, 20)
        settle(scenario, spool)
    faults += judge(scenario, spool, deliverer)
    if faults:
        faults = ['release, killed before %s %d: %s' % (call, n, '; '.join(faults)), show_log(os.path.join(spool, 'log'))]
    deliverer.close()
    return killed, faults, True, deliverer.unclear


def test_release(pool):
    scenario = Scenario('a dead message is released', [b'a\n'], always('K'), ['m0'], config=RETRY, before=always('X'), sender='')
    scenario.make()
    spool = scenario.copy()
    deliverer = Deliverer(spool, scenario.policy)
    counts, first = count_calls(send_command(scenario, spool, False) + ['--in', os.path.join(spool, 'admin.ctrl')], KILL_CALLS, spool, lambda p: (
        wait_for(10, lambda: os.path.exists(os.path.join(spool, 'admin.ctrl'))), release_dead(scenario, spool, p)))
    deliverer.close()
    plan = [(call, n) for call in KILL_CALLS if call in counts for n in choose(first.get(call, 1), counts[call], 8)]
    report('killed', 'send, ' + scenario.name, list(pool.map(lambda x: one_release(scenario, *x), plan)))


def test_held(pool):
    """A notification whose release failed is released by timer, without a restart."""
    scenario = Scenario('a notification is released', [b'a\n', b'b\n'], lambda s, t: 'X' if s == 'm1' else 'K', ['m0'], bounced=['1'])
    scenario.make()
    for times in ('1', '1..2'):
        spool = scenario.copy()
        deliverer = Deliverer(spool, scenario.policy)
        # its report is written as a .tmp: the first write at this path releases it
        held = os.path.join(spool, 'deferred', scenario.file + '-1-b')
        status = run_send(scenario, spool, strace('write', 'error=ENOSPC:when=' + times) + ['-P', held], 15, False, lambda: is_through(scenario, spool))
        log, faults = show_log(os.path.join(spool, 'log')), judge(scenario, spool, deliverer)
        deliverer.close()
        good = status == 0 and 'release a notification' in log and not faults
        ok(good, 'send, %s: by timer, where the write failed (%s)' % (scenario.name, times), '%s: %s\n%s' % (status, faults, log))


def test_told(pool):
    """A notification that was written by a send that was killed before it noted so: there is one, and it is counted on once it is durable."""
    scenario = Scenario('a notification is there already', [b'a\n', b'b\n'], lambda s, t: 'X' if s == 'm1' else 'K', ['m0'], bounced=['1'])
    scenario.make()
    for what, fault in (('', None), (' and a sync of it fails', 'error=EIO:when=1')):
        spool = scenario.copy()
        deliverer = Deliverer(spool, scenario.policy)
        parent = scenario.file + '-1'
        until = lambda: is_through(scenario, spool)
        status = run_send(scenario, spool, strace('write', 'signal=KILL:when=1') + ['-P', os.path.join(spool, 'deferred', parent)], 15, False, until)
        waits = names(spool, 'deferred') == [parent, parent + '-b'] and status == -9
        again = run_send(scenario, spool, strace('fsync', fault) + ['-P', os.path.join(spool, 'deferred')] if fault else [], 15, False, until)
        faults, log = judge(scenario, spool, deliverer), show_log(os.path.join(spool, 'log'))
        deliverer.close()
        good = waits and again == 0 and not faults and 'send: bounce id=' not in log.rsplit('send: start', 1)[1] and ('note an outcome in deferred' in log) == bool(fault)
        ok(good, 'send, %s%s: one is sent' % (scenario.name, what), '%s, %s: %s\n%s' % (status, again, faults, log))


def always(verdict):
    return lambda subject, tries: verdict


def later_then(verdict):
    return lambda subject, tries: 'Z' if subject == 'm1' and tries == 1 else verdict if subject == 'm1' else 'K'


def in_deferred(spool):
    return any(NAME.match(n) and not n.endswith('.tmp') for n in names(spool, 'deferred')) and not names(spool, 'journal')


LARGE = b'%s\n' % (b'0123456789abcdef' * 4) * 6000
MIDDLING = LARGE[:100000 // 65 * 65]
RETRY = 'retry 1s until 1d\n'
SCENARIOS = [
    Scenario('small messages', [b'a\n', b'b\n', b'c\n'], always('K'), ['m0', 'm1', 'm2'], sample=6),
    Scenario('a file without an end mark', [b'a\n', b'b\n'], always('K'), ['m0', 'm1'], ended=False, sample=3),
    Scenario('a large message', [LARGE], always('K'), ['m0']),
    Scenario('a message of middling size among others', [b'a\n', MIDDLING, b'c\n'], always('K'), ['m0', 'm1', 'm2'], sample=3),
    Scenario('put off and tried again', [b'a\n', b'b\n', b'c\n'], later_then('K'), ['m0', 'm1', 'm2'], config=RETRY,
             until=lambda spool: not names(spool, 'journal') and not names(spool, 'deferred') and not names(spool, 'outcome')),
    Scenario('a large message is put off', [LARGE], lambda s, t: 'Z' if t == 1 else 'K', ['m0'], config=RETRY,
             until=lambda spool: not names(spool, 'journal') and not names(spool, 'deferred') and not names(spool, 'outcome')),
    Scenario('from deferred', [b'a\n', b'b\n'], always('K'), ['m0', 'm1'], config=RETRY, before=always('Z'), sample=5),
    Scenario('no deliverer for long', [b'a\n', b'b\n'], always('K'), ['m0', 'm1'], config=RETRY, options=['--journal-wait', '0s'], away=True,
             until=in_deferred, sample=5),
    Scenario('buried from the journal', [b'a\n', b'b\n'], lambda s, t: 'X' if s == 'm1' else 'K', ['m0'], dead=['1'], sender='', sample=5),
    Scenario('buried from deferred', [b'a\n', b'b\n'], always('X'), [], dead=['0', '1'], config=RETRY, before=always('Z'), sender='', sample=5),
    Scenario('bounced', [b'a\n', b'b\n'], lambda s, t: 'X' if s == 'm1' else 'K', ['m0'], bounced=['1'], restarts=True, sample=5),
    Scenario('bounced from deferred', [b'a\n', b'b\n'], lambda s, t: 'X' if s in ('m0', 'm1') else 'K', [], config=RETRY, before=always('Z'),
             bounced=['0', '1'], restarts=True, sample=5),
    Scenario('damage', [b'a\n', b'b\n', b'c\n'], always('K'), ['m0', 'm2'], dead=['file'], damage=1, sample=5),
]


# ---- queue ----

def queue_command(spool, sandbox='on'):
    return [os.path.join(BIN, 'deaddrop-queue'), '--spool', spool, '--in', os.path.join(spool, 'queue.ctrl'), '--out', os.path.join(spool, 'send.ctrl'),
            '--name', 'test.example', '--idle-close', '30', '--key-hold', '2', '--min-free', '0', '--logfile', os.path.join(spool, 'queue.log'),
            '--sandbox', sandbox]


def start_queue(spool, prefix=(), sandbox='on'):
    reader, writer = os.pipe()
    q = subprocess.Popen(list(prefix) + queue_command(spool, sandbox) + ['--notify-fd', str(writer)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         pass_fds=(writer,))
    os.close(writer)
    os.read(reader, 1)          # it is ready, or gone
    os.close(reader)
    return q


class Submissions:
    """Messages that are handed in one after another, each by an inject that asks again where the connection broke."""

    def __init__(self, spool, tag, sizes):
        self.spool, self.tag, self.sizes, self.codes = spool, tag, sizes, []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def submit(self, n, size, wait='10s'):
        body = b'Subject: %s-%d\n\n%s' % (self.tag.encode(), n, b'x' * 70 + b'\n' if size < 1000 else (b'y' * 70 + b'\n') * (size // 71))
        p = subprocess.Popen([os.path.join(BIN, 'deaddrop-inject'), '--out', os.path.join(self.spool, 'queue.ctrl'), '--wait', wait, '-f', 'a@b.example',
                              'root@b.example'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        p.communicate(body)
        return p.returncode

    def run(self):
        for n, size in enumerate(self.sizes):
            self.codes.append(self.submit(n, size))
            time.sleep(0.05 if n % 2 else 0)

    def over(self):
        return not self.thread.is_alive()


QUEUE_SIZES = (100, 100000, 300000, 100)


def stored_subjects(spool):
    """How often each subject stands in a whole record of the journals, as send would find them: by reading, not by asking it."""
    found = {}
    for name in names(spool, 'journal'):
        with open(os.path.join(spool, 'journal', name), 'rb') as f:
            data, at = f.read(), 0
        while data[at:at + 12] == b'%deaddrop 1 ':
            head, body = int(data[at + 29:at + 37]), int(data[at + 38:at + 53])
            if at + head + body > len(data):
                break
            subject = re.search(rb'^Subject: (\S+)$', data[at + head:at + head + body], re.M)
            subject = subject.group(1).decode() if subject else '?'
            found[subject] = found.get(subject, 0) + 1
            at += head + body
    return found


def one_queue(x):
    """One run of queue with a fault.  The journal that it leaves is kept for send."""
    call, inject, attach, tag = x
    spool = new_spool('queue.')
    error = 'error=' in inject
    if attach:          # the counting begins when the first file has been made
        q = start_queue(spool, (), 'off' if error else 'on')
        wait_for(5, lambda: names(spool, 'journal') and os.path.exists(os.path.join(spool, 'queue.ctrl')))
        time.sleep(0.05)
        tracer = subprocess.Popen(['strace', '-f', '-o', '/dev/null', '-e', 'trace=' + call, '-e', 'inject=%s:%s' % (call, inject), '-p', str(q.pid)],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        tracer.stderr.readline()
        time.sleep(0.05)
    else:
        q, tracer = start_queue(spool, strace(call, inject), 'off' if error else 'on'), None
    submissions = Submissions(spool, tag, QUEUE_SIZES)
    faults, killed, started = [], False, error
    wait_for(15, lambda: submissions.over() or q.poll() is not None)
    if q.poll() is not None:
        killed = q.returncode == -9
        if not killed and not (error and q.returncode in REFUSED):
            faults.append('queue left with %s' % q.returncode)
        q = start_queue(spool)
        started = False
    wait_for(15, submissions.over)
    last = 0
    if error:
        if started and not inject.endswith('+'):
            time.sleep(1.1)
        elif started:
            q.send_signal(signal.SIGTERM)
            if wait_status(q, 10) == 'hung':
                faults.append('it hung at the end')
            q = start_queue(spool)
        for n in range(len(QUEUE_SIZES), len(QUEUE_SIZES) + 4):         # each of its threads has its own count
            last = submissions.submit(n, 100)
            submissions.codes.append(last)
            if last == 0:
                break
            time.sleep(0.6)
        if last != 0:
            faults.append('no message is taken after the trouble')
    q.send_signal(signal.SIGTERM)
    status = wait_status(q, 10)
    if error and status == 0:           # what could not be removed goes at the next start
        q = start_queue(spool)
        q.send_signal(signal.SIGTERM)
        status = wait_status(q, 10)
    if status == -9 and not killed:
        killed = True
        q = start_queue(spool)
        q.send_signal(signal.SIGTERM)
        status = wait_status(q, 10)
    if tracer:
        tracer.wait()
    if status != 0:
        faults.append('queue ended with %s' % status)
    found = stored_subjects(spool)
    for n, code in enumerate(submissions.codes):
        count = found.get('%s-%d' % (tag, n), 0)
        if code not in (0, 75) or count != (code == 0):
            faults.append('message %d: exit %s and stored %d times' % (n, code, count))
    if len(submissions.codes) < len(QUEUE_SIZES):
        faults.append('a submission hung')
    for name in names(spool, 'journal'):
        with open(os.path.join(spool, 'journal', name), 'rb') as f:
            if not f.read(72).strip(b'\0'):
                faults.append('an empty journal file is left')
    if faults:
        faults = ['queue %s:%s%s: %s' % (call, inject, ' attached' if attach else '', '; '.join(faults)), show_log(os.path.join(spool, 'queue.log'))]
    accepted = ['%s-%d' % (tag, n) for n, code in enumerate(submissions.codes) if code == 0]
    return killed, faults, spool, accepted


def wait_status(p, seconds):
    try:
        return p.wait(seconds)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        return 'hung'


def queue_counts():
    spool = new_spool('queue.')

    def drive(p):
        s = Submissions(spool, 'count', QUEUE_SIZES)
        wait_for(15, s.over)
        p.send_signal(signal.SIGTERM)
    return count_calls(queue_command(spool), KILL_CALLS, spool, drive)


def collect(results):
    """All journals that queue left, through one send: each message that was accepted once, nothing else, and nothing left."""
    spool = new_spool('all.')
    wanted = []
    for _, _, run, accepted in results:
        wanted += accepted
        for name in names(run, 'journal'):
            os.rename(os.path.join(run, 'journal', name), os.path.join(spool, 'journal', name))
            os.utime(os.path.join(spool, 'journal', name), (0, 0))
        shutil.rmtree(run, ignore_errors=True)
    open(os.path.join(spool, 'send.conf'), 'w').close()
    scenario = Scenario('all', [], None, [])
    deliverer = Deliverer(spool, always('K'))
    status = run_send(scenario, spool, [], 60)
    got = sorted(s for s, _ in deliverer.stored.values() if s != '?')
    deliverer.close()
    left = {p: names(spool, p) for p in PLACES if names(spool, p)}
    return wanted, (sorted(wanted) == got and status == 0 and not left and not deliverer.faults), \
        'send: exit %s, wanted %d, got %d, left %s, %s' % (status, len(wanted), len(got), left, deliverer.faults[:3])


def test_queue(pool):
    counts, first = queue_counts()
    serial = iter(range(1, 1 << 20))
    sample = 5
    plan = [(call, 'signal=KILL:when=%d' % n, attach, 'k%d' % next(serial))
            for attach in (False, True) for call in KILL_CALLS if call in counts and not (attach and call == 'openat')
            for n in choose(1 if attach else first.get(call, 1), counts[call], sample)]
    results = list(pool.map(one_queue, plan))
    report('killed', 'queue', [r[:2] + (True, 0) for r in results])
    wanted, good, why = collect(results)
    ok(good, 'queue, killed: send delivers the %d messages that were accepted, once, and the spool is clean' % len(wanted), why)
    for error in ('ENOSPC', 'EIO'):
        calls = [c for c in ERROR_CALLS if c in counts and c != 'write']        # queue writes to files by offset; write wakes its loop
        plan = [(c, 'error=%s:when=%d%s' % (error, n, plus), attach, 'e%d' % next(serial)) for attach in (False, True) for c in calls
                for plus in ('', '+') for n in choose(1, counts[c], 3 if plus else 4)]
        # What cannot be stored and cannot be removed either is no message
        plan += [('fdatasync,unlinkat', 'error=%s:when=1+' % error, attach, 'e%d' % next(serial)) for attach in (False, True)]
        results = list(pool.map(one_queue, plan))
        report('a call that fails with ' + error, 'queue', [r[:2] + (True, 0) for r in results])
        wanted, good, why = collect(results)
        ok(good, 'queue, %s: send delivers the %d messages that were accepted, once' % (error, len(wanted)), why)


def may_trace():
    try:
        return subprocess.call(['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', '-e', 'inject=fsync:signal=KILL:when=1', 'true'],
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


if not may_trace():
    print('1..0 # SKIP strace is not there, or may not trace here')
    sys.exit(0)
begun = time.monotonic()
try:
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        # Most of a run is waiting, so some scenarios share the workers.
        with concurrent.futures.ThreadPoolExecutor(4) as drivers:
            tests = [drivers.submit(test_send, s, pool) for s in SCENARIOS if ONLY.search('send, ' + s.name)]
            tests += [drivers.submit(test, pool) for name, test in (('released', test_release), ('notification', test_held), ('notification', test_told)) if ONLY.search('send, ' + name)]
            for test in tests:
                test.result()
        if ONLY.search('queue'):
            test_queue(pool)
finally:
    if not os.environ.get('STEPS_KEEP'):
        shutil.rmtree(scratch, ignore_errors=True)
print('# %d seconds' % (time.monotonic() - begun))
print('1..%d' % number)
