// Sends every flight as one prediction over HTTP, in the order of event time, a few at a time.
import { Agent, request } from 'node:http';
import type { Flight } from './flights.ts';

export interface Replayed {
  readonly sent: number;
  readonly wallMs: number;
  /** Processor time of this process, the caller, in milliseconds. */
  readonly clientCpuMs: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly refused: readonly { readonly status: number; readonly body: string }[];
  readonly lastPredictionId: string;
}

const AT_ONCE = 16;

export async function replay(
  url: string,
  endpoint: string,
  flights: readonly Flight[],
  /** Gets the id of each prediction by the flight it is about. */
  ids: Map<string, string>,
  onAnswer: (done: number) => void,
): Promise<Replayed> {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const latencies = new Float64Array(flights.length);
  const refused: { status: number; body: string }[] = [];
  let last = '';
  let next = 0;
  let done = 0;
  const path = `/endpoints/${endpoint}/predict`;

  const send = ({ atUs, inputs }: Flight): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({ inputs });
      const call = request(
        {
          agent,
          hostname,
          port,
          path,
          method: 'POST',
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'gyre-event-time': String(atUs) },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
        },
      );
      call.on('error', reject);
      call.end(body);
    });

  const worker = async (): Promise<void> => {
    for (let i = next++; i < flights.length; i = next++) {
      const began = performance.now();
      const answer = await send(flights[i]!);
      latencies[i] = performance.now() - began;
      if (answer.status !== 200) refused.push(answer);
      else {
        const { predictionId } = JSON.parse(answer.body) as { predictionId: string };
        ids.set(flights[i]!.inputs.flight_id, predictionId);
        if (i === flights.length - 1) last = predictionId;
      }
      onAnswer(++done);
    }
  };

  const [began, cpu] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, flights.length) }, worker));
  const used = process.cpuUsage(cpu);
  agent.destroy();
  latencies.sort();
  const at = (share: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return {
    sent: flights.length,
    wallMs: performance.now() - began,
    clientCpuMs: (used.user + used.system) / 1000,
    latencyMs: { p50: at(0.5), p99: at(0.99) },
    refused,
    lastPredictionId: last,
  };
}
