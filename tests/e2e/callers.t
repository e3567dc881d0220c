#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Every known caller's command line, with its own input and with hostile ones, through the real chain, as root and as an ordinary user.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || plan_skip "needs python3"
chain_make
queue_options="--in-mode 0666 --in $chain/public.ctrl"
chain_start
printf 'name qualified.test.invalid\n' > "$scratch/inject.conf"
python3 "$top/tests/e2e/callers.py" "$top" "$bin" "$scratch" "$chain"
