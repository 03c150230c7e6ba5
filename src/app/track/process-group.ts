// Looks at the processes of a command from outside: memory, and which files they hold open. Linux only; it costs
// the command nothing, because everything is read from /proc by this process.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import type { Opened } from './python-shim.ts';

// Data is read at the beginning, or when something is read anyway; then it is looked often.
const [OFTEN_MS, SELDOM_MS] = [5, 50] as const;
const OFTEN_FOR_MS = 30_000;
const MEMBERS_MS = 250;
/** At most this share of one core. */
const SHARE = 0.02;

export interface GroupSeen {
  readonly peakRssBytes: number | null;
  readonly peakProcesses: number;
  readonly opened: readonly Opened[];
}

interface Stat {
  readonly session: number;
  readonly rssPages: number;
  readonly childTicks: number;
}

function statOf(pid: number | 'self'): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { session: Number(fields[3]), rssPages: Number(fields[21]), childTicks: Number(fields[13]) + Number(fields[14]) };
  } catch {
    return undefined;
  }
}

const PAGE = 4096;
const TICKS = 100;

/** Seconds of processor time of all children that have ended and been waited for; null where nobody tells. */
export function childrenCpuS(): number | null {
  const stat = statOf('self');
  return stat === undefined ? null : stat.childTicks / TICKS;
}

const membersOf = (session: number): { pid: number; rss: number }[] => {
  try {
    return readdirSync('/proc').flatMap((name) => {
      if (!/^\d+$/.test(name)) return [];
      const stat = statOf(Number(name));
      return stat?.session === session ? [{ pid: Number(name), rss: stat.rssPages * PAGE }] : [];
    });
  } catch {
    return [];
  }
};

/** Watches the session that a process leads; `stop` answers what was seen. */
export function watchGroup(leader: number, roots: readonly string[], inputs: boolean): { stop: () => GroupSeen } {
  const known = new Map<string, string>();
  const opened = new Map<string, Opened>();
  let members: { pid: number; rss: number }[] = [];
  let peakRss = 0;
  let peakProcesses = 0;
  let membersAt = -Infinity;
  let oftenUntil = performance.now() + OFTEN_FOR_MS;

  const files = (pid: number): void => {
    let names: string[];
    try {
      names = readdirSync(`/proc/${pid}/fd`);
    } catch {
      return;
    }
    for (const name of names) {
      try {
        const path = readlinkSync(`/proc/${pid}/fd/${name}`);
        const key = `${pid} ${name}`;
        if (known.get(key) === path) continue;
        known.set(key, path);
        if (opened.has(path) || !roots.some((root) => path === root || path.startsWith(`${root}/`))) continue;
        const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${name}`, 'utf8'))?.[1] ?? '0', 8);
        const found = statSync(path, { bigint: true });
        const how = (flags & 3) === 0 ? 'r' : 'w';
        oftenUntil = performance.now() + OFTEN_FOR_MS;
        opened.set(path, { path, how, size: Number(found.size), modifiedNs: found.mtimeNs, seenBy: 'proc' });
      } catch {
        // Closed, or deleted, in between.
      }
    }
  };
  const look = (): void => {
    if (performance.now() - membersAt > MEMBERS_MS) {
      membersAt = performance.now();
      members = membersOf(leader);
      peakRss = Math.max(
        peakRss,
        members.reduce((sum, m) => sum + m.rss, 0),
      );
      peakProcesses = Math.max(peakProcesses, members.length);
    }
    if (inputs) for (const { pid } of members) files(pid);
  };

  let timer: NodeJS.Timeout;
  const again = (): void => {
    const began = performance.now();
    look();
    timer = setTimeout(again, Math.max(inputs && began < oftenUntil ? OFTEN_MS : SELDOM_MS, (performance.now() - began) / SHARE));
    timer.unref();
  };
  again();
  return {
    stop: () => {
      clearTimeout(timer);
      return { peakRssBytes: peakRss === 0 ? null : peakRss, peakProcesses, opened: [...opened.values()] };
    },
  };
}
