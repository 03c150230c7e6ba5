// The note that the supervisor keeps of the processes it runs.
import { join } from 'node:path';

export interface ProcessReport {
  readonly pid: number;
  /** '' until it is ready for the first time. */
  readonly url: string;
  readonly restarts: number;
  /** Of the data plane, where it answers gRPC. */
  readonly grpc?: string;
}
export type Processes = Readonly<Record<string, ProcessReport>>;

export const processesFile = (dir: string): string => join(dir, 'run', 'processes.json');
