// Named places where a test makes the process die or the disk fill up. Without GYRE_FAILPOINTS a call
// costs one comparison. `name=kill` ends the process at the first pass, `name=kill@3` at the third,
// `name=enospc` throws what a full disk throws.

interface Failpoint {
  readonly action: string;
  remaining: number;
}

const points = parse(process.env.GYRE_FAILPOINTS);

function parse(text: string | undefined): Map<string, Failpoint> | undefined {
  if (!text) return undefined;
  const parsed = new Map<string, Failpoint>();
  for (const item of text.split(',')) {
    const [name, rule = 'kill'] = item.trim().split('=');
    const [action, pass = '1'] = rule.split('@');
    if (name) parsed.set(name, { action: action!, remaining: Number(pass) });
  }
  return parsed;
}

/** Marks a place before or after a durable step. */
export function failpoint(name: string): void {
  if (points === undefined) return;
  const point = points.get(name);
  if (!point || --point.remaining > 0) return;
  if (point.action === 'kill') process.kill(process.pid, 'SIGKILL');
  if (point.action === 'enospc') throw Object.assign(new Error(`no space left on device (failpoint ${name})`), { code: 'ENOSPC' });
}
