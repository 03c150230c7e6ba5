// Sends predictions over HTTP, sixteen at a time, in the order given.
import { Agent, request } from 'node:http';

export interface Asked {
  /** Event time of the prediction, microseconds. */
  readonly atUs: number;
  readonly inputs: Readonly<Record<string, unknown>>;
}
export interface Answer {
  readonly status: number;
  readonly body: {
    readonly predictionId: string;
    readonly score: number;
    readonly modelVersion: string;
    readonly variant: string;
    readonly [member: string]: unknown;
  };
}

const AT_ONCE = 16;

/** The answers, in the order of the requests. */
export async function predictAll(dataPlane: string, endpoint: string, asked: readonly Asked[]): Promise<Answer[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const answers: Answer[] = [];
  let next = 0;
  const one = ({ atUs, inputs }: Asked): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({ inputs });
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'gyre-event-time': String(atUs) };
      const call = request(`${dataPlane}/endpoints/${endpoint}/predict`, { agent, method: 'POST', headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Answer['body'] }));
      });
      call.on('error', reject);
      call.end(body);
    });
  const worker = async (): Promise<void> => {
    for (let i = next++; i < asked.length; i = next++) answers[i] = await one(asked[i]!);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  agent.destroy();
  return answers;
}
