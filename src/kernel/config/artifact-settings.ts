// Where artifacts are kept, where webhooks may go, and what their secrets are encrypted with.
import { resolve } from 'node:path';
import { flag, hosts, setting } from './setting.ts';

/** A place of artifacts: a plain folder becomes absolute, all else stays as it was written, for clients see it so. */
const artifactRoot = (value: string): string | undefined => {
  if (/[?#\0]/.test(value) || value.split('/').includes('..') || value === '') return undefined;
  if (!/^[a-z][a-z0-9+.-]*:/i.test(value)) return resolve(value);
  return /^(mlflow-artifacts:\/|file:\/{1,3}[^/]|s3:\/\/[^/])/.test(value) ? value : undefined;
};

export const artifactSettings = {
  secretsKey: setting<string>({
    env: 'GYRE_SECRETS_KEY',
    expected: 'at least 32 characters',
    default: '',
    doc: 'What secrets in the database are encrypted with, the same for all servers of one database. Empty: a key of the server’s own folder.',
    secret: true,
    parse: (v) => (v === '' || v.length >= 32 ? v : undefined),
  }),
  webhookAllowHosts: setting<string>({
    env: 'GYRE_WEBHOOK_ALLOW_HOSTS',
    expected: 'host or host:port, separated by commas',
    default: '',
    doc: 'Addresses of webhooks that may be reached although they are on this machine or in a private network, or by plain http. All others there are refused.',
    parse: hosts,
  }),
  artifactRoot: setting<string>({
    env: 'GYRE_ARTIFACT_ROOT',
    expected: 'mlflow-artifacts:/, s3://bucket/prefix, file:///folder or a folder',
    default: 'mlflow-artifacts:/',
    doc: 'Where new experiments keep their artifacts. `mlflow-artifacts:/`: clients send them through the server. A folder or `s3://bucket/prefix`: clients read and write there themselves.',
    parse: artifactRoot,
  }),
  artifactAllowRoots: setting<string>({
    env: 'GYRE_ARTIFACT_ALLOW_ROOTS',
    expected: 's3://bucket/prefix, file:///folder or a folder, separated by commas',
    default: '',
    doc: 'Further places that experiments may name as their own and that the server lists, serves and seals from, besides GYRE_ARTIFACT_ROOT. In others only the clients read.',
    parse: (v) => {
      const roots = v.split(',').map((root) => (root.trim() === '' ? '' : artifactRoot(root.trim())));
      return roots.every((root) => root !== undefined) ? roots.filter(Boolean).join(',') : undefined;
    },
  }),
  serveArtifacts: setting<boolean>({
    env: 'GYRE_SERVE_ARTIFACTS',
    expected: '0 or 1',
    default: true,
    doc: 'Whether clients may send artifacts through the server. Without it the proxy routes answer 503, and GYRE_ARTIFACT_ROOT is the folder `artifacts` of the server unless it is set.',
    parse: flag,
  }),
} as const;
