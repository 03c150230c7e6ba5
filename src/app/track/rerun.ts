// The commands that bring the code of a run back and start it again.
import { dirname, join, relative } from 'node:path';
import type { Code } from './code.ts';
import type { Subject } from './evidence.ts';
import type { InputFile } from './opened-files.ts';
import { quoted } from './words.ts';

const MOST_INPUTS = 50;

/** Fetches an artifact; a token is named, never written. */
const fetched = ({ run, server }: Pick<Subject, 'run' | 'server'>, name: string): string =>
  `curl -fsS \${GYRE_TOKEN:+-H "Authorization: Bearer $GYRE_TOKEN"} '${server.url}/get-artifact?run_id=${run.id}&path=gyre/${name}'`;

/** One command that runs the script below. */
export const rerunCommand = (subject: Pick<Subject, 'run' | 'server'>): string => `${fetched(subject, 'rerun.sh')} | sh`;

/** A script for a shell: a folder with the code as it was, links to the inputs, and the command. */
export function rerunScript(subject: Subject, code: Code | undefined, inputs: readonly InputFile[]): string {
  const { run, experiment, words, cwd } = subject;
  const folder = `gyre-${run.id.slice(0, 8)}`;
  const below = code ? relative(code.root, cwd) : '';
  const enter = below === '' || below.startsWith('..') ? [] : [`cd ${quoted([below])}`];
  const place =
    code?.kind === 'git'
      ? [
          `cd ${quoted([code.root])}`,
          `git worktree add --detach ${folder} ${code.tags['mlflow.source.git.commit']}`,
          `cd ${folder}`,
          ...(code.artifact ? [`${fetched(subject, code.artifact.name)} | git apply`] : []),
          ...enter,
        ]
      : code?.artifact
        ? [`mkdir ${folder}`, `cd ${folder}`, `${fetched(subject, code.artifact.name)} | tar -xz`, ...enter]
        : [];
  const known = inputs.slice(0, MOST_INPUTS);
  const data = known.flatMap(({ path, sha256 }) => {
    const [name, folderOf] = [quoted([path]), quoted([dirname(path)])];
    // What lies elsewhere is read from there again.
    const inside = !path.startsWith('/') && !join(below, path).startsWith('..');
    return [
      ...(inside && place.length > 0 ? [`mkdir -p ${folderOf}`, `[ -e ${name} ] || ln -s ${quoted([join(cwd, path)])} ${name}`] : []),
      ...(sha256 === null
        ? []
        : [`echo ${quoted([`${sha256}  ${path}`])} | sha256sum -c --status - || echo ${quoted([`${path} is not what it was`])} >&2`]),
    ];
  });
  return [
    '#!/bin/sh',
    '# Brings the code of this run back into a folder of its own, links what it read, and runs it again.',
    'set -e',
    ...place,
    ...data,
    ...(inputs.length > known.length ? [`# ${inputs.length - known.length} more inputs are in run.json.`] : []),
    `gyre run --experiment ${quoted([experiment])} -- ${quoted(words)}`,
    '',
  ].join('\n');
}
