// Throughput and latency of one row over each protocol, beside the bare programs and the peers.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { at, figure, percent, perSecond, rateOf, us, type Figure } from './figure.ts';
import { drive, driveGrpc, ownLimit, secondsOf, type Load } from './load.ts';
import { binary, columns, grpcMessage, grpcPath, json, mlflow, writeServingPlan } from './requests.ts';
import { models, python, startBare, startGyre, startPeer, type Peer, type Server } from './servers.ts';

const matrix = join(models, 'forest.onnx');
const CONNECTIONS = 32;
const here = join(import.meta.dirname, 'python');

/** Warm, then measured. */
async function measure(server: Server, run: (server: Server, seconds: number) => Promise<Load>): Promise<Load> {
  try {
    await run(server, secondsOf(2));
    const load = await run(server, secondsOf(5));
    if (load.answered === 0) throw new Error(`nothing was answered (${load.refused} refused, ${load.broken} broken)`);
    return load;
  } finally {
    await server.stop();
  }
}
const over =
  (request: Buffer, connections = CONNECTIONS) =>
  (server: Server, seconds: number) =>
    drive(server.url, request, { connections, seconds });
const overGrpc = async (connections = CONNECTIONS) => {
  const message = await grpcMessage();
  return (server: Server, seconds: number) => driveGrpc(server.grpc, grpcPath, message, { connections, seconds });
};
const whole = (file = 'forest.onnx'): Promise<Server> => startGyre(['--model', `m=${join(models, file)}`]);
export const planned = (number = 1, shadow = false): Promise<Server> => startGyre([], (dir) => writeServingPlan(dir, { number, shadow }));

const beside = (what: string, gyre: Load, bare: Load, least: number): Figure[] => {
  const share = rateOf(gyre) / rateOf(bare);
  return [
    figure(
      what,
      perSecond(rateOf(gyre)),
      `${percent(share)} of the bare program, ${perSecond(rateOf(bare))}`,
      `>= ${least * 100} %`,
      share >= least,
    ),
  ];
};

export async function overJson(): Promise<Figure[]> {
  const own = await ownLimit(json);
  const bare = await measure(await startBare('json', matrix), over(json));
  const gyre = await measure(await whole(), over(json));
  const bareColumns = await measure(await startBare('json', join(models, 'columns.onnx')), over(columns()));
  const endpoint = await measure(await planned(), over(columns()));
  return [
    figure('for comparison: what the load generator reaches by itself', perSecond(own)),
    ...beside('JSON, one matrix, a model as it is', gyre, bare, 0.7),
    ...beside('JSON, 20 columns, an endpoint with its log', endpoint, bareColumns, 0.7),
  ];
}

export const overBinary = async (): Promise<Figure[]> =>
  beside('binary tensors', await measure(await whole(), over(binary)), await measure(await startBare('binary', matrix), over(binary)), 0.8);

export async function overGrpcBeside(): Promise<Figure[]> {
  const run = await overGrpc();
  return beside('gRPC, raw contents', await measure(await whole(), run), await measure(await startBare('grpc', matrix), run), 0.8);
}

export async function peers(): Promise<Figure[]> {
  const gyre = rateOf(await measure(await whole(), over(json)));
  const figures: Figure[] = [];
  for (const [peer, what, times, request] of [
    ['fastapi', 'FastAPI, uvicorn, ONNX Runtime, by hand', 2.5, json],
    ['mlserver', 'MLServer as installed, ONNX', 15, json],
    ['mlserver-inline', 'MLServer without its workers, ONNX', 0, json],
    ['mlflow', 'mlflow models serve, scikit-learn', 100, mlflow],
  ] as const satisfies readonly (readonly [Peer, string, number, Buffer])[]) {
    const rate = rateOf(await measure(await startPeer(peer), over(request)));
    figures.push(
      figure(`beside ${what}`, `${(gyre / rate).toFixed(1)} x`, perSecond(rate), times === 0 ? '' : `>= ${times} x`, gyre / rate >= times),
    );
  }
  return [...figures, figure('beside Triton', 'not measured', 'it is an image or a build of hours, none of which can be installed here')];
}

export async function latency(): Promise<Figure[]> {
  const run = over(json, 1);
  const gyre = await measure(await whole(), run);
  const endpoint = await measure(await planned(), over(columns(), 1));
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(matrix, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const calls: number[] = [];
  for (let i = 0; i < 2000; i++) {
    const began = performance.now();
    await session.run({ [session.inputNames[0]!]: new Tensor('float32', new Float32Array(20), [1, 20]) });
    calls.push((performance.now() - began) * 1000);
  }
  const model = { p50: calls.sort((a, b) => a - b)[1000]!, p99: calls[1980]! };
  const added = (load: Load, share: 0.5 | 0.99): number => at(load, share) - (share === 0.5 ? model.p50 : model.p99);
  return [
    figure(
      'added to the call of the model, one client, p50',
      us(added(gyre, 0.5)),
      `the call ${us(model.p50)}`,
      '<= 100 us',
      added(gyre, 0.5) <= 100,
    ),
    figure('the same, p99', us(added(gyre, 0.99)), `the call ${us(model.p99)}`, '<= 400 us', added(gyre, 0.99) <= 400),
    figure('an endpoint of 20 columns with its log, p50 and p99', `${us(at(endpoint, 0.5))}, ${us(at(endpoint, 0.99))}`),
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
  const times = rateOf(batched) / alone;
  return [
    figure(
      'Python model, 64 clients, batched',
      perSecond(rateOf(batched)),
      `${times.toFixed(1)} x of ${perSecond(alone)} row by row`,
      '>= 10 x',
      times >= 10,
    ),
    figure('the same, p50 and p99', `${us(at(batched, 0.5))}, ${us(at(batched, 0.99))}`),
  ];
}
const mlflowOf = (): Buffer => mlflow;

export async function log(): Promise<Figure[]> {
  const without = rateOf(await measure(await whole('columns.onnx'), over(columns())));
  const logged = rateOf(await measure(await planned(), over(columns())));
  const cost = 1 - logged / without;
  return [
    figure(
      'endpoint, plan and inference log at 100 %',
      percent(cost),
      `${perSecond(logged)}; the same model as it is, unlogged, ${perSecond(without)}`,
      '<= 10 %',
      cost <= 0.1,
    ),
  ];
}
