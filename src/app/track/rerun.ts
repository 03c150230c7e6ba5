// The commands that bring the code of a run back and start it again.
import { relative } from 'node:path';
import type { Code } from './code.ts';
import type { Subject } from './evidence.ts';
import { quoted } from './words.ts';

/** As lines of a shell; a token is named, never written. */
export function rerunLines({ run, server, experiment, words, cwd }: Subject, code: Code | undefined): string[] {
  const fetch = (name: string): string =>
    `curl -fsS \${GYRE_TOKEN:+-H "Authorization: Bearer $GYRE_TOKEN"} '${server.url}/get-artifact?run_id=${run.id}&path=gyre/${name}'`;
  const folder = `gyre-${run.id.slice(0, 8)}`;
  const below = code ? relative(code.root, cwd) : '';
  const start = `gyre run --experiment ${quoted([experiment])} -- ${quoted(words)}`;
  const enter = below === '' || below.startsWith('..') ? [] : [`cd ${quoted([below])}`];
  if (code?.kind === 'git')
    return [
      `git worktree add --detach ${folder} ${code.tags['mlflow.source.git.commit']} && cd ${folder}`,
      ...(code.artifact ? [`${fetch(code.artifact.name)} | git apply`] : []),
      ...enter,
      start,
    ];
  if (code?.artifact) return [`mkdir ${folder} && cd ${folder}`, `${fetch(code.artifact.name)} | tar -xz`, ...enter, start];
  return [start];
}

export const rerunScript = (subject: Subject, code: Code | undefined): string =>
  [
    '#!/bin/sh',
    '# Brings the code of this run back into a folder of its own and runs it again.',
    'set -e',
    ...rerunLines(subject, code),
    '',
  ].join('\n');
