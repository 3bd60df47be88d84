// SPDX-License-Identifier: MIT
// node with timers, promises, a buffer and a file.
const fs = require('fs');
const crypto = require('crypto');
let n = 0, bad = 0;
const sums = [];
const buffer = Buffer.alloc(1 << 20, 'node');
const fd = fs.openSync('lines', 'a');
const step = async () => {
	n++;
	sums.push(crypto.createHash('sha256').update(String(n)).digest('hex'));
	fs.writeSync(fd, n + '\n');
	if (n === 5)
		fs.writeFileSync('ready', '');
	await new Promise(done => setTimeout(done, 10));
	if (!fs.existsSync('verify'))
		return step();
	for (let i = 1; i <= n; i++)
		if (sums[i - 1] !== crypto.createHash('sha256').update(String(i)).digest('hex'))
			bad = 1;
	if (buffer.toString('latin1', 1000, 1004) !== 'node')
		bad = 1;
	process.exit(bad);
};
step();
