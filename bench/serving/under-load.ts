// What must hold while requests come: more than can be answered, another revision, a copy for a slow model; and what it costs to
// be there.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { usageOf } from '../built-server.ts';
import { quantile } from '../table.ts';
import { at, figure, percent, perSecond, rateOf, us, type Figure } from './figure.ts';
import { drive, secondsOf } from './load.ts';
import { inTurn, planned } from './protocols.ts';
import { columns, json, writeServingPlan } from './requests.ts';
import { models, startGyre, type Server } from './servers.ts';

export async function overload(): Promise<Figure[]> {
  const server = await startGyre(['--model', `m=${join(models, 'slow.onnx')}`]);
  try {
    // Some milliseconds each, so that three times as many are no burden for the generator.
    const request = columns(64);
    const alone = await drive(server.url, request, { connections: 1, seconds: secondsOf(3) });
    const peak = await drive(server.url, request, { connections: 32, seconds: secondsOf(5) });
    const capacity = rateOf(peak);
    const over = await drive(server.url, request, { connections: 512, seconds: secondsOf(60), rate: capacity * 3 });
    const began = performance.now();
    let recoveredMs = Number.NaN;
    for (let i = 0; i < 200 && Number.isNaN(recoveredMs); i++) {
      const one = await drive(server.url, request, { connections: 1, seconds: 0.02 });
      if (one.refused === 0 && one.answered > 0 && at(one, 0.5) < at(alone, 0.99) * 3) recoveredMs = performance.now() - began;
    }
    const goodput = rateOf(over) / capacity;
    return [
      figure(
        '3 times what it can do: of the peak that is still answered',
        percent(goodput),
        `peak ${perSecond(capacity)}`,
        '>= 90 %',
        goodput >= 0.9,
      ),
      figure('  refused at once, broken', `${over.refused}, ${over.broken}`, '', '0 broken', over.broken === 0),
      figure('  p99 of what is answered', us(at(over, 0.99)), `alone ${us(at(alone, 0.99))}`),
      figure('  as before again after', `${Math.round(recoveredMs)} ms`, '', '< 1 s', recoveredMs < 1000),
    ];
  } finally {
    await server.stop();
  }
}

export async function swaps(): Promise<Figure[]> {
  const server = await planned();
  try {
    const count = process.env.GYRE_BENCH_SECONDS === undefined ? 100 : 5;
    const stop = { done: false };
    const tally = { answered: 0, failed: 0 };
    const one = async (): Promise<void> => {
      while (!stop.done) {
        const load = await drive(server.url, columns(), { connections: 8, seconds: 0.25 });
        tally.answered += load.answered;
        tally.failed += load.refused + load.broken;
      }
    };
    const load = one();
    const seen: number[] = [];
    const path = new URL('/v2/models/m', server.url);
    // A server that is under load already, and a client that has asked before.
    await delay(secondsOf(2) * 1000);
    await fetch(path).then((reply) => reply.text());
    for (let number = 2; number < count + 2; number++) {
      writeServingPlan(server.dir, { number, version: String(number) });
      const began = performance.now();
      while (((await (await fetch(path)).json()) as { versions: string[] }).versions[0] !== String(number)) {
        if (performance.now() - began > 5000) throw new Error(`revision ${number} was not taken within 5 s`);
        await delay(1);
      }
      seen.push(performance.now() - began);
    }
    stop.done = true;
    await load;
    const worst = Math.max(...seen);
    return [
      figure(
        `${count} revisions under load: requests that failed`,
        String(tally.failed),
        `of ${tally.answered.toLocaleString('en-US')}`,
        '0',
        tally.failed === 0,
      ),
      figure(
        '  each visible after at most',
        `${Math.round(worst)} ms`,
        `half of them after ${Math.round(quantile(seen, 0.5))} ms`,
        '<= 50 ms',
        worst <= 50,
      ),
    ];
  } finally {
    await server.stop();
  }
}

export async function shadow(): Promise<Figure[]> {
  const run = (server: Server, seconds: number) => drive(server.url, columns(), { connections: 4, rate: 1000, seconds });
  const [without, copied] = await inTurn([
    [() => planned(), run],
    [() => planned({ shadow: true }), run],
  ]);
  const p99 = [at(without!.whole, 0.99), at(copied!.whole, 0.99)] as const;
  const more = p99[1] / p99[0] - 1;
  return [
    figure(
      'a copy of everything for a model ten times as slow: p99',
      percent(more),
      `${us(p99[0])} without, ${us(p99[1])} with`,
      '<= 5 %',
      more <= 0.05,
    ),
  ];
}

export async function start(): Promise<Figure[]> {
  const times: number[] = [];
  for (let i = 0; i < (process.env.GYRE_BENCH_SECONDS === undefined ? 7 : 1); i++) {
    const server = await startGyre(['--model', `m=${join(models, 'large.onnx')}`]);
    times.push(server.readyMs);
    await server.stop();
  }
  const median = times.sort((a, b) => a - b)[times.length >> 1]!;
  return [figure('start to ready with a model of 2 MB', `${Math.round(median)} ms`, '', '<= 400 ms', median <= 400)];
}

export async function idle(): Promise<Figure[]> {
  const server = await startGyre(
    Array.from({ length: 20 }, (_, i) => ['--model', `m${i === 0 ? '' : i}=${join(models, 'forest.onnx')}`]).flat(),
  );
  try {
    const loaded = usageOf(server.pid).rssMb;
    const { answered } = await drive(server.url, json, { connections: 8, seconds: secondsOf(2) });
    const seconds = secondsOf(10);
    const before = usageOf(server.pid);
    await delay(seconds * 1000);
    const after = usageOf(server.pid);
    const share = (after.cpuMs - before.cpuMs) / (seconds * 1000);
    return [
      figure('idle with 20 models: of one core', percent(share), '', '< 2 %', share < 0.02),
      figure(
        '  resident memory, loaded',
        `${Math.round(loaded)} MB`,
        `${Math.round(after.rssMb)} MB after ${answered} requests`,
        '<= 180 MB',
        loaded <= 180,
      ),
    ];
  } finally {
    await server.stop();
  }
}
