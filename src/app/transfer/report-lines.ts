// A report of an import for reading; `--json` has all of it.
import { count, duration, table } from '../../kernel/cli/terminal.ts';
import { bytesText } from '../maintenance/usage/bytes-text.ts';
import { totals, type Report, type Side } from './tally.ts';

const MOST = 20;

export function reportLines(r: Report): string[] {
  const both = (key: keyof Side) => (e: { source: Side; target: Side }) =>
    r.dryRun || e.source[key] === e.target[key] ? count(e.source[key]) : `${count(e.target[key])} of ${count(e.source[key])}`;
  const all = totals(r.experiments, 'source');
  return [
    ...table(r.experiments, [
      { title: 'EXPERIMENT', value: (e) => e.name },
      { title: 'ID', value: (e) => (e.sourceId === e.targetId || r.dryRun ? e.sourceId : `${e.sourceId} -> ${e.targetId}`) },
      ...(['runs', 'params', 'tags', 'points', 'loggedModels', 'files'] as const).map((key) => ({
        title: key === 'loggedModels' ? 'MODELS' : key.toUpperCase(),
        value: both(key),
        right: true as const,
      })),
      { title: 'SAME', value: (e) => (r.dryRun ? '-' : e.differences.length === 0 ? 'yes' : 'NO') },
    ]),
    `${count(all.runs)} runs, ${count(all.points)} points, ${count(all.loggedModels)} logged models, ${count(all.files)} files (${bytesText(all.bytes)}), ${count(r.models.source)} registered models with ${count(r.models.versions)} versions${r.dryRun ? '' : `, ${count(r.models.sealed)} of them sealed`}; ${duration(r.elapsedMs)}`,
    ...(r.unchanged > 0 ? [`${count(r.unchanged)} had come before and were not sent again`] : []),
    ...Object.entries(r.leftOut).map(([what, n]) => `left out: ${what}${n === null ? ' (not counted)' : `: ${count(n)}`}`),
    ...some('note', r.notes),
    ...some('DIFFERENT', r.differences),
    r.dryRun
      ? 'Nothing was written (--dry-run).'
      : r.verified
        ? `Verified: both sides are the same (${r.import}).`
        : `NOT the same; see above (${r.import}).`,
  ];
}

const some = (word: string, lines: readonly string[]): string[] => [
  ...lines.slice(0, MOST).map((l) => `${word}: ${l}`),
  ...(lines.length > MOST ? [`${word}: ${count(lines.length - MOST)} more; --json has all`] : []),
];
