// The table of docs/benchmarks.md, written by the bench and never by hand.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machine } from '../table.ts';
import type { Figure } from './figure.ts';
import { mlflowVersion } from './servers.ts';

const page = join(import.meta.dirname, '../../docs/benchmarks.md');
const [begin, end] = ['<!-- tracking: written by npm run bench -- tracking --write -->', '<!-- end of tracking -->'];

export function writeTable(figures: readonly Figure[]): void {
  const lines = [
    begin,
    '',
    ...machine('power').map((line) => `- ${line}`),
    `- MLflow ${mlflowVersion()}: "installed" is \`mlflow server\` as it is (4 workers), "lean" one worker without job execution`,
    '',
    '| what | Gyre | MLflow installed | MLflow lean | ratio | target | met |',
    '|---|---|---|---|---|---|---|',
    ...figures.map(
      (f) =>
        `| ${[f.what.trim(), f.gyre, f.installed, f.lean, f.ratio, f.target, f.target === '' ? '' : f.met ? 'yes' : '**no**'].join(' | ')} |`,
    ),
    '',
    end,
  ];
  const text = readFileSync(page, 'utf8');
  const [before, after] = [text.indexOf(begin), text.indexOf(end)];
  if (before < 0 || after < 0) throw new Error(`${page} has no place for the table`);
  writeFileSync(page, text.slice(0, before) + lines.join('\n') + text.slice(after + end.length));
}
