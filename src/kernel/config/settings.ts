// The one table of settings and the only reader of process.env. Docs, `.env.example` and
// `gyre config show` are generated from it. An unknown GYRE_* key is refused, so a typo cannot be ignored.
import { resolve } from 'node:path';
import { defineErrors } from '../errors.ts';
import { accessSettings } from './access-settings.ts';
import { artifactSettings } from './artifact-settings.ts';
import { blobSettings } from './blob-settings.ts';
import { flag, hosts, integer, oneOf, setting, text, type Setting } from './setting.ts';
import { servingSettings } from './serving-settings.ts';
import { signInSettings } from './sign-in-settings.ts';

const { fail } = defineErrors({
  'setting-unknown': {
    status: 400,
    title: 'Unknown setting',
    detail: (p: { names: string[]; nearest: string }) =>
      `${p.names.join(', ')} ${p.names.length === 1 ? 'is not a setting' : 'are not settings'} of Gyre.${p.nearest ? ` Did you mean ${p.nearest}?` : ''} "gyre config show" lists them all.`,
  },
  'setting-invalid': {
    status: 400,
    title: 'A setting has a value that cannot be used',
    detail: (p: { name: string; value: string; expected: string }) => `${p.name}=${p.value} cannot be used: ${p.expected} is expected.`,
  },
});

export const settingsTable = {
  dir: setting<string>({
    env: 'GYRE_DIR',
    expected: 'a folder',
    default: '.gyre',
    doc: 'The folder that holds everything the server writes.',
    parse: text,
  }),
  host: setting<string>({
    env: 'GYRE_HOST',
    expected: 'an address',
    default: '127.0.0.1',
    doc: 'The address the control plane listens on. Any other than loopback needs users.',
    parse: text,
  }),
  port: setting<number>({
    env: 'GYRE_PORT',
    expected: 'a port from 0 to 65535',
    default: 7400,
    doc: 'The port of the control plane; 0 takes a free one.',
    parse: integer(0, 65_535),
  }),
  servePort: setting<number>({
    env: 'GYRE_SERVE_PORT',
    expected: 'a port from 0 to 65535',
    default: 0,
    doc: 'The port of the data plane; 0 takes a free one, shown by `gyre status`.',
    parse: integer(0, 65_535),
  }),
  databaseUrl: setting<string>({
    env: 'GYRE_DATABASE_URL',
    expected: 'postgres://user@host:port/database',
    default: '',
    doc: 'A PostgreSQL database; empty means the embedded SQLite file in the folder.',
    secret: true,
    parse: (v) => (v === '' || /^postgres(ql)?:\/\//.test(v) ? v : undefined),
  }),
  databasePool: setting<number>({
    env: 'GYRE_DATABASE_POOL',
    expected: 'a number from 3 to 200',
    default: 10,
    doc: 'The most connections that this server opens to PostgreSQL, besides one that listens.',
    parse: integer(3, 200),
  }),
  databaseTimeoutMs: setting<number>({
    env: 'GYRE_DATABASE_TIMEOUT_MS',
    expected: 'milliseconds, at least 1000',
    default: 60_000,
    doc: 'How long one statement may take on PostgreSQL before it is given up and the request is answered 503. Migrations and commands of maintenance are not bound by it.',
    parse: integer(1000, 86_400_000),
  }),
  autoMigrate: setting<boolean>({
    env: 'GYRE_AUTO_MIGRATE',
    expected: '0 or 1',
    default: true,
    doc: 'Whether a start applies pending migrations; with 0 it refuses and `gyre migrate` applies them.',
    parse: flag,
  }),
  durability: setting<'power' | 'process'>({
    env: 'GYRE_DURABILITY',
    expected: '"power" or "process"',
    default: 'power',
    doc: '`power`: an acknowledged write survives power loss. `process`: it survives a killed process only; quicker, for tests and scratch servers.',
    parse: oneOf('power', 'process'),
  }),
  deletedRetentionDays: setting<number>({
    env: 'GYRE_DELETED_RETENTION_DAYS',
    expected: 'a number of days; 0 keeps them',
    default: 0,
    doc: 'After how many days deleted experiments, runs and logged models are removed for good, with their artifacts. 0: never by itself.',
    parse: integer(0, 36_500),
  }),
  attemptRetentionDays: setting<number>({
    env: 'GYRE_ATTEMPT_RETENTION_DAYS',
    expected: 'a number of days; 0 keeps them',
    default: 30,
    doc: 'After how many days the files that failed steps of an ended run worked with are removed from `attempts/`; their logs stay. 0: never.',
    parse: integer(0, 36_500),
  }),
  picklePolicy: setting<'allow' | 'warn' | 'refuse'>({
    env: 'GYRE_PICKLE_POLICY',
    expected: 'allow, warn or refuse',
    default: 'warn',
    doc: 'Model files that execute when they are loaded (pickle and its kin): `allow` and `warn` mark their versions, `warn` also logs what is not known to be harmless, `refuse` seals no version that calls anything else.',
    parse: oneOf('allow', 'warn', 'refuse'),
  }),
  logLevel: setting<'debug' | 'info' | 'warn' | 'error' | 'silent'>({
    env: 'GYRE_LOG_LEVEL',
    expected: 'debug, info, warn, error or silent',
    default: 'info',
    doc: 'The least severe log line that is written.',
    parse: oneOf('debug', 'info', 'warn', 'error', 'silent'),
  }),
  computeMemoryMb: setting<number>({
    env: 'GYRE_COMPUTE_MEMORY_MB',
    expected: 'megabytes, at least 128',
    default: 2048,
    doc: 'The memory all running queries share.',
    parse: integer(128, 10_000_000),
  }),
  computeThreads: setting<number>({
    env: 'GYRE_COMPUTE_THREADS',
    expected: 'a number from 1 to 256',
    default: 2,
    doc: 'The threads all running queries share.',
    parse: integer(1, 256),
  }),
  computeTimeoutMs: setting<number>({
    env: 'GYRE_COMPUTE_TIMEOUT_MS',
    expected: 'milliseconds',
    default: 600_000,
    doc: 'How long one query may take.',
    parse: integer(1, 86_400_000),
  }),
  bodyLimitBytes: setting<number>({
    env: 'GYRE_BODY_LIMIT_BYTES',
    expected: 'bytes',
    default: 8 * 1024 * 1024,
    doc: 'The largest JSON body; uploads of files are streamed and not bound by it.',
    parse: integer(1024, 1024 ** 3),
  }),
  alertAllowHosts: setting<string>({
    env: 'GYRE_ALERT_ALLOW_HOSTS',
    expected: 'host or host:port, separated by commas',
    default: '',
    doc: 'Receivers of alerts that may be reached although they are on this machine or in a private network. All others there are refused.',
    parse: hosts,
  }),
  batchLimitBytes: setting<number>({
    env: 'GYRE_BATCH_LIMIT_BYTES',
    expected: 'bytes',
    default: 512 * 1024 * 1024,
    doc: 'The largest batch of inference records or feedback in one request.',
    parse: integer(1024, 1024 ** 4),
  }),
  uvCacheDir: setting<string>({
    env: 'GYRE_UV_CACHE_DIR',
    expected: 'a folder',
    default: '',
    doc: 'Where Python packages are cached; empty means inside the server’s folder.',
    parse: text,
  }),
  environmentsDir: setting<string>({
    env: 'GYRE_ENVIRONMENTS_DIR',
    expected: 'a folder',
    default: '',
    doc: 'Where Python environments are made; empty means inside the server’s folder. Servers of one machine, and runs of CI, may share it.',
    parse: text,
  }),
  url: setting<string>({
    env: 'GYRE_URL',
    expected: 'http(s)://host:port',
    default: '',
    doc: 'The server that the command line talks to; empty means the one that runs in GYRE_DIR, or else http://127.0.0.1:7400.',
    parse: (v) => (v === '' || /^https?:\/\//.test(v) ? v.replace(/\/$/, '') : undefined),
  }),
  token: setting<string>({
    env: 'GYRE_TOKEN',
    expected: 'a token',
    default: '',
    doc: 'The token the command line sends.',
    secret: true,
    parse: text,
  }),
  workspace: setting<string>({
    env: 'GYRE_WORKSPACE',
    expected: 'a workspace name',
    default: 'default',
    doc: 'The workspace the command line works in.',
    parse: text,
  }),
  ...accessSettings,
  ...artifactSettings,
  ...blobSettings,
  ...servingSettings,
  ...signInSettings,
  failpoints: setting<string>({
    env: 'GYRE_FAILPOINTS',
    expected: 'name=kill@N,...',
    default: '',
    doc: 'For tests only: places where the process ends itself or a write fails.',
    parse: text,
  }),
  faultInjection: setting<boolean>({
    env: 'GYRE_FAULT_INJECTION',
    expected: '0 or 1',
    default: false,
    doc: 'For rehearsals only: a model version with the tag `gyre.fault.error_rate` fails that share of the requests it answers.',
    parse: flag,
  }),
  trustProcessEngine: setting<boolean>({
    env: 'GYRE_TRUST_PROCESS_ENGINE',
    expected: '0 or 1',
    default: false,
    doc: 'Allow steps to run as the server’s own operating-system user although users are defined.',
    parse: flag,
  }),
} as const;

type Table = typeof settingsTable;
export type Settings = { readonly [K in keyof Table]: Table[K]['default'] };

/** A value given elsewhere than in the environment. Raises `setting-invalid`. */
export function parseSetting<K extends keyof Settings>(name: K, text: string): Settings[K] {
  const entry = settingsTable[name] as unknown as Setting<Settings[K]>;
  return (
    entry.parse(text) ?? fail('setting-invalid', { name: entry.env, value: entry.secret ? '(secret)' : text, expected: entry.expected })
  );
}

/** Settings from an environment. Raises `setting-unknown` and `setting-invalid`. `dir` becomes absolute. */
export function readSettings(env: Readonly<Record<string, string | undefined>>, overrides: Partial<Settings> = {}): Settings {
  const known = new Set<string>(Object.values(settingsTable).map((s) => s.env));
  const unknown = Object.keys(env).filter((key) => key.startsWith('GYRE_') && !known.has(key));
  if (unknown.length > 0) fail('setting-unknown', { names: unknown, nearest: nearest(unknown[0]!, [...known]) });
  const settings: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(settingsTable)) {
    const given = env[entry.env];
    const value = given === undefined ? entry.default : entry.parse(given);
    if (value === undefined)
      fail('setting-invalid', { name: entry.env, value: 'secret' in entry ? '(secret)' : String(given), expected: entry.expected });
    settings[name] = value;
  }
  const merged = { ...settings, ...overrides } as Settings;
  return { ...merged, dir: resolve(merged.dir) };
}

/** The settings of this process. */
export const processSettings = (overrides: Partial<Settings> = {}): Settings => readSettings(process.env, overrides);

/** Says whether the environment of this process names the setting. */
export const isGiven = (name: keyof Settings): boolean => process.env[settingsTable[name].env] !== undefined;

/** The values that no log may show: the secret settings, and the password inside an address. */
export function secretsOf(settings: Settings): string[] {
  const secret = Object.entries(settingsTable).filter(([, entry]) => 'secret' in entry);
  const values = secret.map(([name]) => String(settings[name as keyof Settings])).filter((value) => value !== '');
  const passwords = values.filter((value) => URL.canParse(value)).map((value) => decodeURIComponent(new URL(value).password));
  return [...values, ...passwords.filter((password) => password !== '')];
}

/** The candidate that shares most letters in order, or '' when none is near. */
export function nearest(word: string, candidates: readonly string[]): string {
  let best = '';
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's distance between two short words. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}
