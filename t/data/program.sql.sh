#!/bin/sh
# SPDX-License-Identifier: MIT
# sqlite3 in a transaction over the database $1, fed by a shell.
{
	echo "create table t(n integer, s text); insert into t values(0, 'before');"
	echo "begin immediate;"
	echo "with recursive c(n) as (select 1 union all select n + 1 from c where n < 20000)"
	echo "insert into t select n, hex(n * 7919) from c;"
	echo "select count(*) from t;"
	while [ ! -e verify ]; do
		echo "insert into t values(1, 'one more'); delete from t where s = 'one more';"
		sleep 0.02
	done
	echo "commit; select count(*), sum(n) from t; pragma integrity_check;"
} | sqlite3 "$1" >>answers &
until [ -s answers ]; do
	sleep 0.01
done
: >ready
wait
[ "$(tail -n 2 answers)" = "20001|200010000
ok" ] && exit 0
cat answers
exit 1
