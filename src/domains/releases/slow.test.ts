// A candidate that answers as well as the stable version, only slowly: found by what callers had to wait, and taken away at once.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { eachDatabase } from '../../../test/support/platform.ts';
import { canaryProject, openCanary, policy, rowOf, withStable, type CanaryBench } from './fixtures/canary.ts';
import { shipLog } from './jobs.ts';

/** Few, so that who asks the stable version does not wait for a processor that the slow one has. */
const CLIENTS = 2;
const SAMPLE = 600;
const job = { id: 'job', attempt: 1, fence: 1, report: () => undefined };

/** Clients that ask one request after the other until they are stopped: when each was sent, and who answered it. */
function openClients({ plane }: CanaryBench) {
  const answered: { readonly status: number; readonly variant: string; readonly sentMs: number }[] = [];
  let going = true;
  const client = async (k: number): Promise<void> => {
    for (let i = k; going; i += CLIENTS) {
      const sentMs = performance.now();
      const reply = await fetch(`${plane.url}/endpoints/e/predict`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ inputs: { ...rowOf(i), id: `client-${i}` } }),
      });
      const body = (await reply.json()) as { variant?: string; code?: string };
      if (body.code !== 'serving-overloaded') answered.push({ status: reply.status, variant: body.variant ?? '', sentMs });
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, k) => client(k));
  return {
    answered,
    stop: async (): Promise<void> => {
      going = false;
      await Promise.all(clients);
    },
  };
}

/** The last moment at which the release was seen where nobody had decided to move it. */
async function undecided(b: CanaryBench, over: AbortSignal): Promise<number> {
  for (let seenMs = performance.now(); ; await delay(5)) {
    const askedMs = performance.now();
    const { release } = await b.status();
    if (over.aborted || release.state !== 'canary' || (release as unknown as { moving: string | null }).moving !== null) return seenMs;
    seenMs = askedMs;
  }
}

eachDatabase(
  'live traffic is taken from a candidate that is slower, and a second after the decision it gets no request',
  async (t, kind) => {
    const b = await openCanary(t, kind, canaryProject(policy().replace('10%, 50%', '25%'), '', ''));
    await withStable(b);
    await b.version('slow');
    const begun = (await b.begin()).body;
    const slow = (await b.served()).find((v) => v.number === 2)!;
    assert.deepEqual([begun.state, slow.weight], ['canary', 0.25]);
    const clients = openClients(b);
    while (clients.answered.length < SAMPLE) await delay(20);
    b.clock.advance(60_000);

    const over = new AbortController();
    const decided = undecided(b, over.signal);
    await shipLog.run(b.ctx(), {}, job);
    over.abort();
    const decidedMs = await decided;
    await delay(1500);
    await clients.stop();

    const { release, transitions } = await b.status();
    assert.equal(release.state, 'rolled-back', JSON.stringify(release.figures));
    const last = transitions.at(-1)!;
    assert.match(last.reason, /^latency: 95 % of the candidate's answers took up to .* that is more than 50 % longer/);
    assert.deepEqual([last.share, last.figures!.candidate.errors, last.figures!.stable.errors], [0, 0, 0]);
    assert.ok(last.figures!.candidate.requests >= 80, `${last.figures!.candidate.requests} requests`);

    const { answered } = clients;
    assert.ok(
      answered.every((a) => a.status === 200),
      'nobody got less than an answer',
    );
    const ofSlow = answered.filter((a) => a.variant === slow.id);
    const lateMs = Math.max(...ofSlow.map((a) => a.sentMs)) - decidedMs;
    const after = answered.filter((a) => a.sentMs > decidedMs + lateMs).length;
    t.diagnostic(`the last request of the slow variant came ${Math.round(lateMs)} ms after the decision, then ${after} of the stable one`);
    assert.ok(ofSlow.length > 0 && after > 0);
    assert.ok(lateMs <= 1000, `${lateMs} ms`);
  },
);
