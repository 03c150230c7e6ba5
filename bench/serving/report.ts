// The table of serving in docs/benchmarks.md, written by the bench and never by hand.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machine } from '../table.ts';
import type { Figure } from './figure.ts';
import { python } from './servers.ts';

const page = join(import.meta.dirname, '../../docs/benchmarks.md');
const [begin, end] = ['<!-- serving: written by npm run bench -- serving --write -->', '<!-- end of serving -->'];
const PEERS = ['fastapi', 'mlserver', 'mlflow', 'onnxruntime', 'scikit-learn'];

export function writeTable(figures: readonly Figure[]): void {
  const script = `import importlib.metadata as m; print(", ".join(f"{p} {m.version(p)}" for p in ${JSON.stringify(PEERS)}))`;
  const lines = [
    begin,
    '',
    ...machine('power').map((line) => `- ${line}`),
    `- peers: ${execFileSync(python, ['-c', script], { encoding: 'utf8' }).trim()}`,
    '',
    '| what | figure | beside | target | met |',
    '|---|---|---|---|---|',
    ...figures.map(
      (f) => `| ${[f.what.trim(), f.figure, f.compared, f.target, f.target === '' ? '' : f.met ? 'yes' : '**no**'].join(' | ')} |`,
    ),
    '',
    end,
  ];
  const text = readFileSync(page, 'utf8');
  const [before, after] = [text.indexOf(begin), text.indexOf(end)];
  if (before < 0 || after < 0) throw new Error(`${page} has no place for the table`);
  writeFileSync(page, text.slice(0, before) + lines.join('\n') + text.slice(after + end.length));
}
