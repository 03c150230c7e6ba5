// Everything a change must pass besides its tests: npm run check. All of it runs, whatever fails, and the end
// says what to do about each.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const repository = join(import.meta.dirname, '..');
const node = [process.execPath, '--no-warnings', '--test', '--test-reporter=dot'] as const;

interface Check {
  readonly name: string;
  readonly command: readonly string[];
  readonly mend: string;
}

const checks: readonly Check[] = [
  { name: 'format', command: ['oxfmt', '--check', '.'], mend: 'npm run format' },
  { name: 'lint', command: ['oxlint', '--quiet'], mend: 'mend what is named above; `npx oxlint --fix` mends some of it' },
  { name: 'types', command: ['tsc', '--noEmit'], mend: 'mend the types named above' },
  { name: 'dead code', command: ['knip', '--no-progress'], mend: 'delete what nothing uses, or list it in knip.json with a reason' },
  {
    name: 'architecture',
    command: [...node, 'test/architecture.test.ts', 'test/architecture/counter-examples.test.ts'],
    mend: 'move the code to where it belongs; the rules are explained in test/architecture.test.ts',
  },
  { name: 'generated files', command: [...node, 'test/generated-files.test.ts'], mend: 'npm run generate, and commit what it changed' },
];

const failed: Check[] = [];
for (const check of checks) {
  const began = performance.now();
  const [program, ...args] = check.command;
  const { status, stdout, stderr } = spawnSync(program!, args, { cwd: repository, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const seconds = `${((performance.now() - began) / 1000).toFixed(1)} s`;
  process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'} ${check.name} (${seconds})\n`);
  if (status === 0) continue;
  failed.push(check);
  process.stdout.write(`${[stdout, stderr].filter(Boolean).join('\n').trimEnd()}\n\n`);
}
if (failed.length > 0) process.stdout.write(`\nTo mend:\n${failed.map(({ name, mend }) => `  ${name}: ${mend}\n`).join('')}`);
process.exit(failed.length === 0 ? 0 : 1);
