// Requests as nobody should send them, made from a route's own schemas so that they get far enough in.
import { seeded } from '../crash/campaign.ts';

export interface Random {
  readonly next: () => number;
  readonly below: (n: number) => number;
  readonly chance: (p: number) => boolean;
  readonly pick: <T>(items: readonly T[]) => T;
}

export function randomOf(seed: number): Random {
  const next = seeded(seed);
  const below = (n: number): number => Math.floor(next() * n);
  return { next, below, chance: (p) => next() < p, pick: (items) => items[below(items.length)]! };
}

const LONG = 'x'.repeat(70_000);
const deep = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}1${']'.repeat(levels)}`);

/** Values that are wrong nearly everywhere. */
export const nasty: readonly unknown[] = [
  null,
  true,
  '',
  ' ',
  0,
  -1,
  1.5,
  -0.5,
  1e308,
  Number.MAX_SAFE_INTEGER + 2,
  -(2 ** 53) - 2,
  2 ** 63,
  'NaN',
  'Infinity',
  '1e999',
  '0x10',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\u202e\u001b[31m',
  '../../../etc/passwd',
  '..',
  '/etc/passwd',
  'C:\\windows',
  '%2e%2e%2f',
  'file:///etc/passwd',
  "'; drop table events; --",
  '${jndi:ldap://x}',
  '$(touch /tmp/gyre-was-here)',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '0',
  '-1',
  '2013-02-30T00:00:00Z',
  '0000-00-00T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  LONG,
  'é'.repeat(5000),
  '%2e%2e%2f%2e%2e%2f',
  'a/../b',
  'a//b',
  'a\r\nset-cookie: x=1',
  "' OR 1=1 --",
  '%'.repeat(300),
  "metrics.a > '",
  '`'.repeat(50),
  '('.repeat(2000),
  'runs:/../../x',
  'mlflow-artifacts:/../../etc',
  'models:/x/1/../2',
  's3://',
  'file://localhost/etc/passwd',
  '\ufeff\ufffe',
  '\udc00\ud800',
  '😀'.repeat(200),
  '12345678901234567890123456789',
  -(2 ** 63),
  2 ** 53 + 2,
  [],
  {},
  [[]],
  [null],
  { a: 1 },
  [{}],
  { length: 1 },
  deep(200),
];

type Schema = Readonly<Record<string, unknown>> | undefined;

/** Something like what the schema asks for; `known` gives values that exist. */
export function plausible(schema: Schema, random: Random, known: readonly string[], depth = 0): unknown {
  if (schema === undefined || depth > 6) return random.pick(nasty);
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum)) return random.pick(schema.enum as unknown[]);
  const union = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined;
  if (union) return plausible(random.pick(union), random, known, depth + 1);
  switch (schema.type) {
    case 'object': {
      const required = new Set((schema.required ?? []) as string[]);
      const members = Object.entries((schema.properties ?? {}) as Record<string, Schema>)
        .filter(([name]) => required.has(name) || random.chance(0.5))
        .map(([name, of]) => [name, plausible(of, random, known, depth + 1)] as const);
      const [pattern] = Object.values((schema.patternProperties ?? {}) as Record<string, Schema>);
      if (pattern) members.push([random.pick(['a', ...known]), plausible(pattern, random, known, depth + 1)]);
      return Object.fromEntries(members);
    }
    case 'array':
      return Array.from({ length: random.below(3) }, () => plausible(schema.items as Schema, random, known, depth + 1));
    case 'integer':
    case 'number':
      return random.pick([0, 1, 2, 10]);
    case 'boolean':
      return random.chance(0.5);
    case 'null':
      return null;
    default:
      if (schema.format === 'date-time') return '2013-02-01T00:00:00Z';
      if (schema.pattern === '^[0-9a-f]{64}$') return 'ab'.repeat(32);
      return random.pick(known);
  }
}

/** Puts something nasty somewhere into a value. */
export function spoil(value: unknown, random: Random): unknown {
  if (random.chance(0.25) || typeof value !== 'object' || value === null) return random.pick(nasty);
  const copy = structuredClone(value) as Record<string, unknown>;
  const names = Object.keys(copy);
  const choice = random.below(4);
  if (choice === 0 || names.length === 0) {
    if (Array.isArray(copy)) copy.push(random.pick(nasty));
    else
      Object.defineProperty(copy, random.pick(['unknown', '__proto__', 'constructor', '', LONG.slice(0, 300), 'a\u0000']), {
        value: random.pick(nasty),
        enumerable: true,
        configurable: true,
        writable: true,
      });
  } else if (choice === 1 && !Array.isArray(copy)) delete copy[random.pick(names)];
  else {
    const name = random.pick(names);
    copy[name] = spoil(copy[name], random);
  }
  return copy;
}

export interface Sent {
  readonly body: Buffer | undefined;
  readonly headers: Record<string, string>;
}

/** A body on the wire: mostly JSON, sometimes something that only looks like it. */
export function wireBody(value: unknown, random: Random, limitBytes: number): Sent {
  const text = JSON.stringify(value) ?? 'null';
  const json = { 'content-type': 'application/json' };
  switch (random.below(14)) {
    case 0:
      return { body: Buffer.from(text.slice(0, Math.max(1, random.below(text.length)))), headers: json };
    case 1:
      return {
        body: Buffer.concat([Buffer.from(text.slice(0, 2)), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from(text.slice(2))]),
        headers: json,
      };
    case 2:
      return {
        body: Buffer.from(text),
        headers: {
          'content-type': random.pick([
            'text/plain',
            'application/xml',
            'multipart/form-data',
            '',
            'application/x-www-form-urlencoded',
            'application/json; charset=utf-16',
            '💥',
          ]),
        },
      };
    case 3:
      return { body: undefined, headers: {} };
    case 4:
      return { body: Buffer.from(`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`), headers: json };
    case 5:
      return { body: Buffer.alloc(limitBytes + 1, 0x20), headers: json };
    case 6:
      return {
        body: Buffer.from(text.startsWith('{') && text.length > 2 ? `{"__proto__":{"a":1},${text.slice(1, -1)},${text.slice(1)}` : text),
        headers: json,
      };
    case 7:
      return {
        body: Buffer.from(
          text.replace(
            /:(\d+|"[^"]{0,20}")/,
            () => `:${random.pick(['1e400', '-1e400', 'NaN', 'Infinity', '00', '0x1', '9'.repeat(400)])}`,
          ),
        ),
        headers: json,
      };
    case 8:
      return { body: Buffer.from(`\u0000${text}`), headers: json };
    default:
      return { body: Buffer.from(text), headers: json };
  }
}

const headerValues = [
  'NaN',
  '-1',
  '1e999',
  '..',
  '../..',
  'default',
  'other',
  '9'.repeat(60),
  'null',
  'é',
  'a\u0000b',
  'bytes=9-1',
  '*',
  '"',
  '',
];

/** Headers that change how a request is read, mostly none. */
export const hostileHeaders = (random: Random): Record<string, string> =>
  random.chance(0.85)
    ? {}
    : {
        [random.pick([
          'content-encoding',
          'transfer-encoding',
          'idempotency-key',
          'x-gyre-workspace',
          'x-mlflow-workspace',
          'range',
          'if-none-match',
          'accept',
          'cookie',
          'authorization',
          'x-forwarded-for',
          'sec-fetch-site',
          'x-http-method-override',
        ])]: random.pick(headerValues),
      };

/** A value as a part of a path or a query. */
export const asText = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).slice(0, 3000);

export const encode = (text: string): string => {
  try {
    return encodeURIComponent(text);
  } catch {
    return '%ED%A0%80';
  }
};
