import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { classify } from './classify.ts';
import { isRefused, verdictOf, worstOf, type ScannedFile } from './findings.ts';
import { itemBytes } from './joblib-array.ts';
import { newBudget, scanFile } from './scan.ts';

// Made by fixtures/make-pickles.py; `imports` is what CPython's own unpickler looked up.
const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/pickles.json'), 'utf8')) as {
  files: Readonly<Record<string, { base64: string; imports: readonly string[] | null }>>;
};

const scanBytes = (path: string, bytes: Uint8Array, budget = newBudget()): Promise<ScannedFile[]> =>
  scanFile(
    {
      path,
      sizeBytes: bytes.length,
      // Small pieces, so that everything is cut somewhere.
      open: (start, end) => Readable.from(pieces(bytes.subarray(start, end))),
    },
    budget,
  );
function* pieces(bytes: Uint8Array): Generator<Buffer> {
  const size = Math.max(7, Math.ceil(bytes.length / 400));
  for (let i = 0; i < bytes.length; i += size) yield Buffer.from(bytes.subarray(i, i + size));
}
const fixture = (name: string): Buffer => Buffer.from(golden.files[name]!.base64, 'base64');
const scanned = (name: string): Promise<ScannedFile[]> => scanBytes(name, fixture(name));
const callables = (found: readonly ScannedFile[]): string[] => found.flatMap((f) => f.findings.map((x) => x.callable)).sort();
const worst = (found: readonly ScannedFile[]): string => worstOf({ executesOnLoad: found.length > 0, files: found });

test('what a pickle imports is what CPython looks up, in every protocol and for models as joblib writes them', async () => {
  let compared = 0;
  for (const [name, { imports }] of Object.entries(golden.files)) {
    if (imports === null) continue;
    const found = await scanned(name);
    const known = name.startsWith('plain-') ? callables(found).filter((c) => c !== '_codecs.encode') : callables(found);
    assert.deepEqual(known, name.startsWith('plain-') ? imports.filter((c) => c !== '_codecs.encode') : imports, name);
    assert.deepEqual(found[0]!.unread, null, name);
    compared++;
  }
  assert.ok(compared >= 25, String(compared));
});

test('a command is found however it is packed, and models of the usual libraries are safe', async () => {
  const expected: Readonly<Record<string, string>> = {
    'command.pt': 'dangerous',
    'command-deflated.pt': 'dangerous',
    'command.joblib': 'dangerous',
    'objects.npy': 'dangerous',
    'arrays.npz': 'dangerous',
    'legacy.pt': 'dangerous',
    'hidden.joblib': 'dangerous',
    'by-memo.pkl': 'dangerous',
    'by-attribute.pkl': 'dangerous',
    'by-instance.pkl': 'dangerous',
    'by-object.pkl': 'dangerous',
    'cut.pkl': 'dangerous',
    'lambda.keras': 'dangerous',
    'by-number.pkl': 'unknown',
    'computed-name.pkl': 'unknown',
    'lambda.pkl': 'unknown',
    'nested.pt': 'unknown',
    'tree-xz.joblib': 'unknown',
    'plain.pt': 'safe',
    'tree.pkl': 'safe',
    'tree.joblib': 'safe',
    'tree-zlib.joblib': 'safe',
    'objects.joblib': 'safe',
    'lightgbm.pkl': 'safe',
    'lightgbm.joblib': 'safe',
    'text.pkl': 'safe',
  };
  for (let protocol = 0; protocol < 6; protocol++) {
    assert.equal(worst(await scanned(`command-${protocol}.pkl`)), 'dangerous');
    assert.equal(worst(await scanned(`evaluated-${protocol}.pkl`)), 'dangerous');
    assert.equal(worst(await scanned(`plain-${protocol}.pkl`)), 'safe', `plain-${protocol}`);
  }
  for (const [name, verdict] of Object.entries(expected)) {
    const found = await scanned(name);
    assert.deepEqual([name, found.length > 0, worst(found)], [name, true, verdict]);
  }
  assert.deepEqual(callables(await scanned('tree-zlib.joblib')), callables(await scanned('tree.joblib')));
  assert.match((await scanned('command.pt'))[0]!.path, /^command\.pt!archive\/data\.pkl$/);
});

test('what executes nothing is not marked', async () => {
  for (const name of ['numbers.npy', 'dense.keras', 'plain.skops']) assert.deepEqual(await scanned(name), [], name);
  for (const [name, text] of [
    ['MLmodel', 'artifact_path: model\nflavors: {}\n'],
    ['conda.yaml', 'channels:\n- conda-forge\n'],
    ['requirements.txt', 'scikit-learn==1.9\n'],
    ['input.json', '{"columns": []}'],
    ['empty.pkl', ''],
  ] as const)
    assert.deepEqual(await scanBytes(name, Buffer.from(text)), [], name);
  assert.deepEqual(
    (await scanBytes('code/model.py', Buffer.from('x = 1'))).map((f) => [f.kind, verdictOf(f)]),
    [['python', 'unknown']],
  );
});

test('a file is scanned by what is in it, not by its name', async () => {
  assert.equal(worst(await scanBytes('weights.dat', fixture('command-4.pkl'))), 'dangerous');
  assert.equal(worst(await scanBytes('weights.dat', fixture('command-0.pkl'))), 'dangerous');
  assert.equal(worst(await scanBytes('model.pkl.gz', gzipSync(fixture('command-2.pkl')))), 'dangerous');
});

/** A zip of one deflated entry, whose sizes in the directory are what is said. */
function zipOf(name: string, content: Buffer, said = content.length): Buffer {
  const packed = deflateRawSync(content, { level: 9 });
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x04034b50, 0);
  head.writeUInt16LE(8, 8);
  head.writeUInt32LE(packed.length, 18);
  head.writeUInt32LE(said, 22);
  head.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(8, 10);
  entry.writeUInt32LE(packed.length, 20);
  entry.writeUInt32LE(said, 24);
  entry.writeUInt16LE(name.length, 28);
  const body = Buffer.concat([head, Buffer.from(name), packed]);
  const directory = Buffer.concat([entry, Buffer.from(name)]);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(body.length, 16);
  return Buffer.concat([body, directory, end]);
}

test('bombs end, and are told: archives that expand, endless operations, deep stacks, long lines', async () => {
  const zeros = Buffer.alloc(64 * 1024 * 1024);
  const small = { operations: 1_000_000, entries: 100, unpacked: 8 * 1024 * 1024 };
  const expanding = await scanBytes(
    'bomb.pt',
    zipOf('archive/data.pkl', Buffer.concat([Buffer.from('8002420000000f', 'hex'), zeros]), 10),
    { ...small },
  );
  assert.match(expanding[0]!.unread!, /larger than what is read|ends too early/);
  const endless = await scanBytes('endless.pkl', Buffer.concat([Buffer.from('8002', 'hex'), Buffer.alloc(3_000_000, 'N0')]), { ...small });
  assert.match(endless[0]!.unread!, /more operations/);
  const deep = await scanBytes('deep.pkl', Buffer.concat([Buffer.from('8002', 'hex'), Buffer.alloc(4_500_000, '(')]));
  assert.match(deep[0]!.unread!, /stack grows/);
  const line = await scanBytes('line.pkl', Buffer.concat([Buffer.from('c'), Buffer.alloc(1_000_000, 'a')]));
  assert.match(line[0]!.unread!, /ends too early/);
  const long = Buffer.from('80028bffffff7f2e', 'hex');
  assert.match((await scanBytes('long.pkl', long))[0]!.unread!, /ends too early/);
  for (const found of [expanding, endless, deep, line]) assert.equal(worst(found), 'unknown');
});

test('whatever the bytes are, the scan ends without a failure of its own', async () => {
  const names = fc.constantFrom('a.pkl', 'a.pt', 'a.npy', 'a.joblib', 'a.h5', 'a.bin', 'a.pkl.gz');
  const heads = fc.constantFrom('', '8004', '8002', '504b0304', '934e554d50590100', '1f8b08', '789c', '28', '63');
  await fc.assert(
    fc.asyncProperty(names, heads, fc.uint8Array({ maxLength: 400 }), async (name, head, tail) => {
      await scanBytes(name, Buffer.concat([Buffer.from(head, 'hex'), tail]));
    }),
    { numRuns: 400 },
  );
  // Real files with bytes changed, cut and doubled.
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...Object.keys(golden.files)), fc.nat(), fc.nat(255), fc.nat(), async (name, at, byte, cut) => {
      const bytes = Buffer.from(fixture(name));
      bytes[at % bytes.length] = byte;
      await scanBytes(name, bytes.subarray(0, 1 + (cut % bytes.length)));
      await scanBytes(name, bytes);
    }),
    { numRuns: 300 },
  );
});

test('names are safe only as far as they are known to be', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['os', 'system', 'dangerous'],
    ['posix', 'system', 'dangerous'],
    ['subprocess', 'Popen', 'dangerous'],
    ['builtins', 'eval', 'dangerous'],
    ['__builtin__', 'eval', 'dangerous'],
    ['builtins', 'getattr', 'dangerous'],
    ['builtins', 'set', 'safe'],
    ['__builtin__', 'set', 'safe'],
    ['importlib', 'import_module', 'dangerous'],
    ['numpy', 'ndarray', 'safe'],
    ['numpy.core.multiarray', '_reconstruct', 'safe'],
    ['numpy', 'load', 'dangerous'],
    ['numpy.testing._private.utils', 'runstring', 'dangerous'],
    ['pandas', 'read_pickle', 'dangerous'],
    ['pandas.core.frame', 'DataFrame', 'safe'],
    ['pandas.io.common', 'get_handle', 'unknown'],
    ['torch.hub', 'load', 'dangerous'],
    ['torch._utils', '_rebuild_tensor_v2', 'safe'],
    ['torch.storage', '_load_from_bytes', 'unknown'],
    ['sklearn.utils', 'os.system', 'dangerous'],
    ['sklearn.tree', 'x.y', 'unknown'],
    ['functools', 'partial', 'unknown'],
    ['mycompany.models', 'Model', 'unknown'],
    ['collections', 'OrderedDict', 'safe'],
    ['operator', 'attrgetter', 'dangerous'],
    ['types', 'CodeType', 'dangerous'],
    ['webbrowser', 'open', 'dangerous'],
    ['numpyx', 'ndarray', 'unknown'],
  ];
  for (const [module, name, verdict] of cases) assert.deepEqual([module, name, classify(module, name)], [module, name, verdict]);
});

test('a policy refuses what is not known to be safe, and only "refuse" does', () => {
  const scan = (verdict: 'safe' | 'unknown' | 'dangerous') => ({
    executesOnLoad: true,
    files: [{ path: 'a', kind: 'pickle' as const, findings: [{ callable: 'x', verdict }], unread: null }],
  });
  for (const policy of ['allow', 'warn'] as const) assert.equal(isRefused(policy, scan('dangerous')), false);
  assert.deepEqual(
    (['safe', 'unknown', 'dangerous'] as const).map((v) => isRefused('refuse', scan(v))),
    [false, true, true],
  );
  assert.deepEqual(['f8', '<U10', '|b1', 'S3', '?', 'c16', 'V64', '|O', 'x'].map(itemBytes), [
    8,
    40,
    1,
    3,
    1,
    16,
    64,
    'objects',
    undefined,
  ]);
});
