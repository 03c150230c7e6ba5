// What the users of a loop do each day, as clients in the field do it: who hears nothing, or that the server is not ready,
// asks again.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { predictAll } from '../journey/predictions.ts';
import { insist, type Ask, type Heard } from './http.ts';
import { DAYS, endOf, requestsOf, type Request } from './loop-project.ts';
import type { System } from './system.ts';

const PATIENCE_MS = 240_000;

/** Asks until there is an answer that is none of "not now". */
export async function persist(request: Ask): Promise<Heard> {
  for (;;) {
    const heard = await insist({ ...request, patienceMs: PATIENCE_MS });
    if (heard.status !== 503) {
      assert.ok(heard.status < 300, `${request.url}: ${heard.status} ${JSON.stringify(heard.body)}`);
      return heard;
    }
    await delay(100);
  }
}

interface Predicted extends Request {
  readonly id: string;
}

/** Goes through all days of the replay; `atBarrier` runs beside the labels and the barrier of each. */
export async function goRound(system: System, atBarrier: (day: number) => Promise<unknown> = async () => undefined): Promise<void> {
  const demo = `${system.url}/api/gyre/v1/projects/demo`;
  let late: readonly Predicted[] = [];
  for (let day = 0; day < DAYS; day++) {
    const asked = requestsOf(day);
    const answers = await predictAll(system.serveUrl, 'e', asked);
    const predicted = asked.map((request, i): Predicted => {
      const { status, body } = answers[i]!;
      assert.equal(status, 200, JSON.stringify(body));
      return { ...request, id: body.predictionId };
    });
    const beside = atBarrier(day);
    // It is waited for below; until then its failure is nobody's.
    beside.catch(() => undefined);
    // Some outcomes are known a day late, when their window is closed.
    const known = [...predicted.filter((p) => !p.isLate), ...late];
    late = predicted.filter((p) => p.isLate);
    await persist({ url: `${demo}/monitors/e/feedback`, body: known.map(({ id, label }) => ({ prediction_id: id, label })) });
    await persist({ url: `${demo}/timeline/advance`, body: { to: endOf(day) } });
    await beside;
  }
}
