// The data plane's protocols.
import { integer, oneOf, setting, text } from './setting.ts';

const port = integer(0, 65_535);

/** Origins without what a browser never sends: a path, a default port, capital letters. */
const origins = (value: string): string | undefined =>
  value
    .split(',')
    .map((origin) => origin.trim())
    .every((origin) => origin === '' || (URL.canParse(origin) && new URL(origin).origin === origin))
    ? value.replaceAll(/\s/g, '')
    : undefined;

export const servingSettings = {
  serveProcesses: setting<number>({
    env: 'GYRE_SERVE_PROCESSES',
    expected: 'a number from 1 to 128',
    default: 1,
    doc: 'How many processes of the data plane answer on the same ports; as many as there are cores is the most that helps. More than one needs Linux.',
    parse: integer(1, 128),
  }),
  serveCorsOrigins: setting<string>({
    env: 'GYRE_SERVE_CORS_ORIGINS',
    expected: 'origins as https://app.example.com, separated by commas',
    default: '',
    doc: 'Web pages of these origins may ask the data plane, exactly as browsers write them; empty means none of another site.',
    parse: origins,
  }),
  serveTlsCert: setting<string>({
    env: 'GYRE_SERVE_TLS_CERT',
    expected: 'a file',
    default: '',
    doc: 'The certificate chain in PEM with which the data plane speaks TLS, over HTTP and gRPC; empty means no TLS.',
    parse: text,
  }),
  serveTlsKey: setting<string>({
    env: 'GYRE_SERVE_TLS_KEY',
    expected: 'a file',
    default: '',
    doc: 'The private key of that certificate in PEM.',
    parse: text,
  }),
  grpcPort: setting<string>({
    env: 'GYRE_GRPC_PORT',
    expected: 'a port from 0 to 65535, or nothing',
    default: '',
    doc: 'The port on which the data plane answers gRPC; empty means none, 0 takes a free one.',
    parse: (v) => (v === '' || port(v) !== undefined ? v : undefined),
  }),
  grpcContents: setting<'mirror' | 'raw' | 'typed'>({
    env: 'GYRE_GRPC_CONTENTS',
    expected: 'mirror, raw or typed',
    default: 'mirror',
    doc: 'The form of tensors in answers of gRPC; `mirror` takes that of the request.',
    parse: oneOf('mirror', 'raw', 'typed'),
  }),
  grpcStream: setting<'triton' | 'mlserver'>({
    env: 'GYRE_GRPC_STREAM',
    expected: 'triton or mlserver',
    default: 'triton',
    doc: 'Whose answers a stream of gRPC has: Triton wraps each of them, MLServer does not.',
    parse: oneOf('triton', 'mlserver'),
  }),
  pythonWorkers: setting<number>({
    env: 'GYRE_PYTHON_WORKERS',
    expected: 'a number from 1 to 64',
    default: 1,
    doc: 'How many processes the data plane has for each model that runs in Python.',
    parse: integer(1, 64),
  }),
  pythonMemoryMb: setting<number>({
    env: 'GYRE_PYTHON_MEMORY_MB',
    expected: 'megabytes, at least 128',
    default: 4096,
    doc: 'The memory that one such process may hold; one that holds more is stopped and started again.',
    parse: integer(128, 10_000_000),
  }),
  pythonBatchMs: setting<number>({
    env: 'GYRE_PYTHON_BATCH_MS',
    expected: 'milliseconds, at least 10',
    default: 60_000,
    doc: 'How long a model in Python may work on one batch; then its process is stopped and started again.',
    parse: integer(10, 86_400_000),
  }),
  serveLimitBytes: setting<number>({
    env: 'GYRE_SERVE_LIMIT_BYTES',
    expected: 'bytes, from 1024 to 1073741824',
    default: 64 * 1024 * 1024,
    doc: 'The largest body that the data plane reads, packed or not.',
    parse: integer(1024, 1024 ** 3),
  }),
  grpcLimitBytes: setting<number>({
    env: 'GYRE_GRPC_LIMIT_BYTES',
    expected: 'bytes, from 1024 to 2147483647',
    default: 64 * 1024 * 1024,
    doc: 'The largest message of gRPC that the data plane reads.',
    parse: integer(1024, 2 ** 31 - 1),
  }),
};
