// Named places where a test makes the process die or the disk fill up. Without GYRE_FAILPOINTS a call
// costs one comparison. `name=kill` ends the process at the first pass, `name=kill@3` at the third,
// `name=enospc` throws what a full disk throws. `file:PATH` names a file with such rules, which is read at
// each pass and loses a rule that has come true: so a test arms a server that is running, and the process
// that takes the dead one's place does not die of the same rule.
import { readFileSync, writeFileSync } from 'node:fs';

type Rules = Map<string, { readonly action: string; readonly remaining: number }>;

const setting = process.env.GYRE_FAILPOINTS ?? '';
const file = setting.startsWith('file:') ? setting.slice('file:'.length) : undefined;
const own: Rules | undefined = setting === '' || file !== undefined ? undefined : parse(setting);

function parse(text: string): Rules {
  const rules: Rules = new Map();
  for (const item of text.split(',')) {
    const [name = '', rule = 'kill'] = item.trim().split('=');
    const [action = '', pass = '1'] = rule.split('@');
    if (name !== '') rules.set(name, { action, remaining: Number(pass) });
  }
  return rules;
}

const render = (rules: Rules): string => [...rules].map(([name, { action, remaining }]) => `${name}=${action}@${remaining}`).join(',');

function readRules(path: string): Rules {
  try {
    return parse(readFileSync(path, 'utf8'));
  } catch {
    return new Map();
  }
}

/** Marks a place before or after a durable step. */
export function failpoint(name: string): void {
  if (own === undefined && file === undefined) return;
  const rules = file === undefined ? own! : readRules(file);
  const rule = rules.get(name);
  if (rule === undefined) return;
  const due = rule.remaining <= 1;
  if (due) rules.delete(name);
  else rules.set(name, { ...rule, remaining: rule.remaining - 1 });
  if (file !== undefined) writeFileSync(file, render(rules));
  if (!due) return;
  if (rule.action === 'kill') process.kill(process.pid, 'SIGKILL');
  if (rule.action === 'enospc') throw Object.assign(new Error(`no space left on device (failpoint ${name})`), { code: 'ENOSPC' });
}

/** What a child process with an environment of its own needs, so that its places can be armed too. */
export const failpointEnvironment = (): Readonly<Record<string, string>> => (setting === '' ? {} : { GYRE_FAILPOINTS: setting });
