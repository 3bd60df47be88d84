#!/bin/bash
# SPDX-License-Identifier: MIT
# A shell that keeps arrays, a descriptor, a trap, a coprocess and a job.
set -u
declare -A squares
exec 7>>appended
trap 'hits=$((hits + 1))' USR1
hits=0
coproc adder { while read -r a b; do echo $((a + b)); done; }
(while [ ! -e verify ]; do sleep 0.05; done; exit 9) &
job=$!
n=0
bad=0
while [ ! -e verify ]; do
	n=$((n + 1))
	squares[$n]=$((n * n))
	echo "$n" >&7
	echo "$n $n" >&"${adder[1]}"
	read -r sum <&"${adder[0]}"
	[ "$sum" -eq $((2 * n)) ] || { echo "sum of $n: $sum"; bad=1; }
	kill -USR1 $$
	[ $n -eq 3 ] && : >ready
	sleep 0.02
done
for i in $(seq $n); do
	[ "${squares[$i]}" -eq $((i * i)) ] || { echo "square of $i"; bad=1; }
done
[ $hits -eq $n ] || { echo "$hits signals of $n"; bad=1; }
# An earlier life of ours may have appended more.
grep -qx "$n" appended || { echo "appended"; bad=1; }
wait $job
[ $? -eq 9 ] || { echo "job"; bad=1; }
exit $bad
