#!/bin/sh
# SPDX-License-Identifier: MIT
# Plans of how a tree is made again, against a model of the kernel's rules.
n=20000
[ -z "${CR_LONG:-}" ] || n=300000
if out=$("$B/t/familyfuzz" "$n"); then
	echo "ok 1 - $out"
else
	echo "$out" | sed 's/^#* */# /'
	echo 'not ok 1 - random histories'
fi
echo 1..1
