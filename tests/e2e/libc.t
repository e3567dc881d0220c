#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the programs are linked with.
. "$(dirname "$0")/lib.sh"
for program in inject queue send local mailq; do
	libraries=$(ldd "$bin/deaddrop-$program" | sed 's/^[ \t]*//; s/ .*//' | grep -vE '^(linux-vdso|/lib.*/ld-|ld-linux|linux-gate)' | sort | paste -sd' ')
	case $program in send) is "$libraries" 'libc.so.6 libpcre2-8.so.0' "deaddrop-$program needs the C library and PCRE2 alone" ;;
	*) is "$libraries" libc.so.6 "deaddrop-$program needs the C library alone" ;;
	esac
done
found=$(find "$bin" -perm /6000)
is "$found" '' "no program is set-uid or set-gid"
done_testing
