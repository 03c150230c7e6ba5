// Throughput and latency of one row over each protocol, beside the bare programs and the peers.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { at, figure, percent, perSecond, rateOf, us, type Figure } from './figure.ts';
import { quantile } from '../table.ts';
import { drive, driveGrpc, ownLimit, secondsOf, together, type Load } from './load.ts';
import { binary, columns, grpcMessage, grpcPath, json, mlflow, writeServingPlan, type PlanWishes } from './requests.ts';
import { models, python, startBare, startGyre, startPeer, type Peer, type Server } from './servers.ts';

const matrix = join(models, 'forest.onnx');
const CONNECTIONS = 32;
const here = join(import.meta.dirname, 'python');

type Run = (server: Server, seconds: number) => Promise<Load>;

/** Warm, then measured. */
async function measure(server: Server, run: Run): Promise<Load> {
  const [load] = await inTurn([[() => Promise.resolve(server), run]]);
  return load!.whole;
}

interface Measured {
  readonly whole: Load;
  /** Of each turn. */
  readonly rates: readonly number[];
}

const TURNS = 7;

/**
 * Servers beside each other, second by second in turn, each on the same core: what else the machine does meanwhile happens to all of
 * them alike, so that their ratio holds where a figure alone does not.
 */
export async function inTurn(sides: readonly (readonly [start: () => Promise<Server>, run: Run])[]): Promise<Measured[]> {
  const servers: Server[] = [];
  try {
    for (const [start] of sides) servers.push(await start());
    const loads: Load[][] = sides.map(() => []);
    for (const [i, [, run]] of sides.entries()) await run(servers[i]!, secondsOf(2));
    for (let turn = 0; turn < TURNS; turn++)
      for (const [i, [, run]] of sides.entries()) loads[i]!.push(await run(servers[i]!, secondsOf(1)));
    return loads.map((of) => {
      const whole = together(of);
      if (whole.answered === 0) throw new Error(`nothing was answered (${whole.refused} refused, ${whole.broken} broken)`);
      return { whole, rates: of.map(rateOf) };
    });
  } finally {
    for (const server of servers) await server.stop();
  }
}

/** The median of the ratios of each turn. */
export const times = (a: Measured, b: Measured): number =>
  quantile(
    a.rates.map((rate, i) => rate / b.rates[i]!),
    0.5,
  );

const over =
  (request: Buffer, connections = CONNECTIONS) =>
  (server: Server, seconds: number) =>
    drive(server.url, request, { connections, seconds });
const overGrpc = async (connections = CONNECTIONS): Promise<Run> => {
  const message = await grpcMessage();
  return (server: Server, seconds: number) => driveGrpc(server.grpc, grpcPath, message, { connections, seconds });
};
const whole = (file = 'forest.onnx'): Promise<Server> => startGyre(['--model', `m=${join(models, file)}`]);
export const planned = (wishes: Partial<PlanWishes> = {}): Promise<Server> =>
  startGyre([], (dir) => writeServingPlan(dir, { number: 1, ...wishes }));

const beside = async (what: string, gyre: () => Promise<Server>, bare: () => Promise<Server>, runs: readonly [Run, Run], least: number) => {
  const [of, limit] = await inTurn([
    [gyre, runs[0]],
    [bare, runs[1]],
  ]);
  const share = times(of!, limit!);
  return figure(
    what,
    perSecond(rateOf(of!.whole)),
    `${percent(share)} of the bare program, ${perSecond(rateOf(limit!.whole))}`,
    `>= ${least * 100} %`,
    share >= least,
  );
};
const both = (run: Run): [Run, Run] => [run, run];

export const overJson = async (): Promise<Figure[]> => [
  figure('for comparison: what the load generator reaches by itself', perSecond(await ownLimit(json))),
  await beside(
    'JSON, one matrix, a model as it is',
    () => whole(),
    () => startBare('json', matrix),
    both(over(json)),
    0.7,
  ),
  await beside(
    'JSON, 20 columns, an endpoint with its log',
    () => planned(),
    () => startBare('json', join(models, 'columns.onnx')),
    both(over(columns())),
    0.7,
  ),
];

export const overBinary = async (): Promise<Figure[]> => [
  await beside(
    'binary tensors',
    () => whole(),
    () => startBare('binary', matrix),
    both(over(binary)),
    0.8,
  ),
];

export const overGrpcBeside = async (): Promise<Figure[]> => [
  await beside(
    'gRPC, raw contents',
    () => whole(),
    () => startBare('grpc', matrix),
    both(await overGrpc()),
    0.8,
  ),
];

export async function peers(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [peer, what, least, request] of [
    ['fastapi', 'FastAPI, uvicorn, ONNX Runtime, by hand', 2.5, json],
    ['mlserver', 'MLServer as installed, ONNX', 15, json],
    ['mlserver-inline', 'MLServer without its workers, ONNX', 0, json],
    ['mlflow', 'mlflow models serve, scikit-learn', 100, mlflow],
  ] as const satisfies readonly (readonly [Peer, string, number, Buffer])[]) {
    const [gyre, other] = await inTurn([
      [() => whole(), over(json)],
      [() => startPeer(peer), over(request)],
    ]);
    const factor = times(gyre!, other!);
    figures.push(
      figure(
        `beside ${what}`,
        `${factor.toFixed(1)} x`,
        perSecond(rateOf(other!.whole)),
        least === 0 ? '' : `>= ${least} x`,
        factor >= least,
      ),
    );
  }
  return [...figures, figure('beside Triton', 'not measured', 'it is an image or a build of hours, none of which can be installed here')];
}

export async function latency(): Promise<Figure[]> {
  const [gyre, bare, endpoint] = (
    await inTurn([
      [() => whole(), over(json, 1)],
      [() => startBare('json', matrix), over(json, 1)],
      [() => planned(), over(columns(), 1)],
    ])
  ).map(({ whole: load }) => load);
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(matrix, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const calls: number[] = [];
  for (let i = 0; i < 2000; i++) {
    const began = performance.now();
    await session.run({ [session.inputNames[0]!]: new Tensor('float32', new Float32Array(20), [1, 20]) });
    calls.push((performance.now() - began) * 1000);
  }
  const row = (what: string, share: number, most: number): Figure => {
    const call = quantile(calls, share);
    const added = at(gyre!, share) - call;
    return figure(
      what,
      us(added),
      `the call ${us(call)}; the bare program adds ${us(at(bare!, share) - call)}`,
      `<= ${most} us`,
      added <= most,
    );
  };
  return [
    row('added to the call of the model, one client, p50', 0.5, 100),
    row('the same, p99', 0.99, 400),
    figure('an endpoint of 20 columns with its log, p50 and p99', `${us(at(endpoint!, 0.5))}, ${us(at(endpoint!, 0.99))}`),
  ];
}

/** Workers of Python, beside the same model asked row by row in a loop with nothing around it. */
export async function pythonModel(): Promise<Figure[]> {
  const alone = Number(
    execFileSync(python, [join(here, 'row_by_row.py'), join(models, 'mlflow'), String(secondsOf(5))], {
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const batched = await measure(await startGyre(['--python', python, '--model', `m=${join(models, 'mlflow')}`]), over(mlflowOf(), 64));
  const factor = rateOf(batched) / alone;
  return [
    figure(
      'Python model, 64 clients, batched',
      perSecond(rateOf(batched)),
      `${factor.toFixed(1)} x of ${perSecond(alone)} row by row`,
      '>= 10 x',
      factor >= 10,
    ),
    figure('the same, p50 and p99', `${us(at(batched, 0.5))}, ${us(at(batched, 0.99))}`),
  ];
}
const mlflowOf = (): Buffer => mlflow;

export async function log(): Promise<Figure[]> {
  const [logged, unlogged, model] = await inTurn([
    [() => planned(), over(columns())],
    [() => planned({ unlogged: true }), over(columns())],
    [() => whole('columns.onnx'), over(columns())],
  ]);
  const cost = 1 - times(logged!, unlogged!);
  return [
    figure(
      'inference log at 100 %: of the throughput of an endpoint',
      percent(cost),
      `${perSecond(rateOf(logged!.whole))} beside ${perSecond(rateOf(unlogged!.whole))}`,
      '<= 10 %',
      cost <= 0.1,
    ),
    figure(
      '  with its log, beside the same model as it is, without plan and log',
      percent(times(logged!, model!)),
      perSecond(rateOf(model!.whole)),
    ),
  ];
}
