#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: cr-freeze -t PID | ... | cr-dump-mem -D IMG | compare-mem.py IMG IMGTOOL

Read the stream, and before its end is acknowledged, so that the tree is still
frozen, compare it with what /proc says of every process: each mapping with its
protection, flags and name, and each byte of memory.  Prints the differences.
With T_SPOIL in the environment one bit of the image is wrong.
"""
import json
import os
import re
import socket
import struct
import subprocess
import sys

PAGE = 4096
img, imgtool = sys.argv[1:3]
errors = 0
FLAGS = {'gd': 0, 'lo': 1, 'lf': 2, 'dc': 3, 'dd': 4, 'wf': 5, 'hg': 6, 'nh': 7, 'mg': 8,
         'sr': 9, 'rr': 10, 'nr': 11, 'dp': 13}
ZERO = bytes(PAGE)


def bad(text):
    global errors
    errors += 1
    if errors < 30:
        print(text)


def number(v):
    return int(v, 0) if isinstance(v, str) else v


def read_smaps(pid):
    maps = []
    with open(f'/proc/{pid}/smaps', encoding='utf-8', errors='surrogateescape',
              newline='\n') as f:
        for line in f.read().split('\n'):
            m = re.match(r'([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) (\S+) (\d+) *(.*)$', line)
            if m:
                maps.append({'start': int(m[1], 16), 'end': int(m[2], 16), 'perms': m[3],
                             'offset': int(m[4], 16), 'file': m[5] != '00:00' or m[6] != '0',
                             'name': m[7]})
            elif line.startswith('VmFlags:'):
                maps[-1]['flags'] = line.split()[1:]
    return maps


class Content:
    """Extents of a process or an object, as pages by address."""

    def __init__(self):
        self.pages = {}

    def add(self, record, data):
        for e in record['extents']:
            address, offset = number(e['address']), e['offset']
            for i in range(e['pages']):
                if address + i * PAGE in self.pages:
                    bad(f'page {address + i * PAGE:x} is there twice')
                self.pages[address + i * PAGE] = data[offset + i * PAGE:offset + (i + 1) * PAGE]

    def get(self, address):
        return self.pages.get(address)


def ghost_bytes(g):
    data = bytearray(g['size'])
    bulk = open(os.path.join(img, g['name']), 'rb').read() if g['name'] else b''
    for r in g['runs']:
        data[r['offset']:r['offset'] + r['length']] = \
            bulk[r['bulk_offset']:r['bulk_offset'] + r['length']]
    return bytes(data)


class Image:
    def __init__(self, records):
        self.mms, self.own, self.objects, self.shmems, self.ghosts, self.agents = \
            {}, {}, {}, {}, {}, {}
        self.cache = {}
        data = b''
        for r in records:
            kind = r['kind']
            if kind == 'mm':
                self.mms[r['pid']] = r
            elif kind == 'pages_file':
                data = open(os.path.join(img, r['name']), 'rb').read()
                if os.environ.get('T_SPOIL'):
                    data = data[:-1] + bytes([data[-1] ^ 1])
                if len(data) != r['size']:
                    bad('size of the pages file')
            elif kind == 'pages' and r['pid']:
                self.own.setdefault(r['pid'], Content()).add(r, data)
            elif kind == 'pages':
                self.objects.setdefault(r['shmem'], Content()).add(r, data)
            elif kind == 'shmem':
                self.shmems[r['id']] = r
            elif kind == 'ghost':
                self.ghosts[r['id']] = ghost_bytes(r)
            elif kind == 'agent':
                self.agents[r['pid']] = number(r['address'])

    def file_page(self, ref, offset):
        if ref['ghost']:
            data = self.ghosts[ref['ghost']]
        else:
            path = ref['path']
            if path not in self.cache:
                self.cache[path] = open(path, 'rb').read()
            data = self.cache[path]
        if offset >= (len(data) + PAGE - 1) // PAGE * PAGE:
            return None     # SIGBUS
        return data[offset:offset + PAGE].ljust(PAGE, b'\0')

    def page(self, mm, vma, address):
        offset = number(vma['pgoff']) + address - number(vma['start'])
        kind = vma['kind']
        own = self.own.get(mm['pid'], Content()).get(address)
        if own is not None and kind in ('ANON', 'FILE_PRIVATE'):
            return own
        if own is not None:
            bad(f'{kind} {address:x} has pages of its own')
        if kind == 'ANON':
            return ZERO
        if vma['shmem']:
            return self.objects.get(vma['shmem'], Content()).get(offset) or ZERO
        return self.file_page(mm['files'][vma['file'] - 1], offset)


def expected_kind(m):
    name, shared = m['name'], m['perms'][3] == 's'
    for n, k in (('[vdso]', 'VDSO'), ('[vvar]', 'VVAR'), ('[vvar_vclock]', 'VVAR'),
                 ('[vsyscall]', 'VSYSCALL')):
        if name == n:
            return k
    if not m['file'] or name == '/dev/zero':
        return 'ANON'
    if shared and name.startswith(('/memfd:', '/dev/zero (deleted)', '[anon_shmem:')):
        return 'SHMEM'
    return 'FILE_SHARED' if shared else 'FILE_PRIVATE'


def compare_map(pid, m, vma):
    where = f"{pid}: {m['start']:x}-{m['end']:x} {m['perms']} {m['name']}"
    prot = sum(bit for bit, c in ((1, 'r'), (2, 'w'), (4, 'x')) if c in m['perms'])
    flags = sum(1 << bit for f, bit in FLAGS.items() if f in m['flags'])
    if 'mw' in m['flags'] and m['perms'][3] == 's':
        flags |= 1 << 12
    kind = expected_kind(m)
    want = {'start': m['start'], 'end': m['end'], 'prot': prot, 'vma_flags': flags}
    if m['file'] and kind != 'ANON':
        want['pgoff'] = m['offset']
    if not m['file']:
        want['name'] = m['name']
    for k, v in want.items():
        have = vma[k] if k == 'name' else number(vma[k])
        if have != v:
            bad(f'{where}: {k} is {have}, expected {v}')
    if vma['kind'] != kind:
        bad(f"{where}: kind is {vma['kind']}, expected {kind}")
    return kind not in ('VVAR', 'VSYSCALL', 'VDSO')


def compare_bytes(image, mm, vma, guards, mem):
    count = 0
    for address in range(number(vma['start']), number(vma['end']), PAGE):
        try:
            is_there = os.pread(mem, PAGE, address)
        except OSError:
            is_there = None
        if address in guards:
            if is_there is not None:
                bad(f'{address:x} is no guard')
            continue
        want = image.page(mm, vma, address)
        if want != is_there:
            bad(f"{mm['pid']}: {vma['kind']} {address:x} differs: "
                f"{is_there and is_there[:16].hex()} {want and want[:16].hex()}")
        count += is_there is not None
    return count


def compare(image, mm):
    pid = mm['pid']
    vmas = {number(v['start']): v for v in mm['vmas']}
    guards = set()
    for g in mm['guards']:
        guards.update(number(g['address']) + i * PAGE for i in range(g['pages']))
    mem = os.open(f'/proc/{pid}/mem', os.O_RDONLY)
    pages = 0
    for m in read_smaps(pid):
        if m['start'] == image.agents.get(pid):
            continue
        vma = vmas.pop(m['start'], None)
        if vma is None:
            bad(f"{pid}: {m['start']:x} {m['name']} is missing")
        elif compare_map(pid, m, vma):
            pages += compare_bytes(image, mm, vma, guards, mem)
    for start in vmas:
        bad(f'{pid}: {start:x} is no mapping')
    print(f'pid {pid}: {pages} pages compared, {len(guards)} guards')


def be_tail(stream):
    """Say that a tail of the toolkit's reads: what is frozen stays so for us."""
    name = re.search(rb'cr-[0-9a-f]{32}', stream)
    if not name:
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.connect(b'\0' + name.group())
    except ConnectionRefusedError:
        sys.exit(75)    # this program has started too late: all have gone on
    # struct cr_session_msg: READY, of those with operations of 80 bytes
    sock.send(struct.pack('<2I', 80, 0) + bytes(72))
    return sock


def main():
    manifest = os.path.join(img, 'manifest.img')
    tail = None
    stream = b''
    # The directory is there when the Header has come.
    chunk = os.read(0, 1 << 16)
    with open(manifest, 'wb') as f:
        while True:
            f.write(chunk)
            f.flush()
            stream += chunk
            tail = tail or be_tail(stream[:4096])
            # End is the last record: its kind is 4.
            if not chunk or subprocess.run([imgtool, 'show', '-k', 'end', manifest],
                                           capture_output=True, check=False).returncode == 0:
                break
            chunk = os.read(0, 1 << 16)
    shown = subprocess.run([imgtool, 'show', '--json', manifest], check=True,
                           capture_output=True)
    shown = json.loads(shown.stdout)
    image = Image(shown if isinstance(shown, list) else shown['records'])
    for mm in image.mms.values():
        compare(image, mm)
    print(f'{len(image.mms)} processes, {len(image.shmems)} objects, '
          f'{len(image.ghosts)} ghosts')
    check = subprocess.run([imgtool, 'check', img], check=False, capture_output=True)
    print((check.stdout + check.stderr).decode())
    return 1 if errors else check.returncode


sys.exit(main())
