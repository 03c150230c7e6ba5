// The data plane with its dialects.
import { mlflowScoringDialect } from '../dialects/mlflow-scoring/mlflow-scoring.ts';
import { oipGrpc } from '../dialects/oip/grpc/server.ts';
import { oipDialect } from '../dialects/oip/oip.ts';
import { openOnlineReader } from '../domains/features/public.ts';
import { startDataPlane, type DataPlane } from '../domains/serving/public.ts';
import type { Settings } from '../kernel/config/settings.ts';
import { openLog } from '../kernel/log.ts';
import { programVersion } from './version.ts';

export const startServe = (
  { dir, host, servePort, logLevel, bodyLimitBytes, grpcPort, grpcContents, grpcLimitBytes }: Settings,
  replica?: string,
): Promise<DataPlane> =>
  startDataPlane({
    dir,
    host,
    port: servePort,
    log: openLog(logLevel),
    programVersion,
    dialects: [oipDialect, mlflowScoringDialect],
    listeners: grpcPort === '' ? [] : [oipGrpc({ port: Number(grpcPort), contents: grpcContents, limitBytes: grpcLimitBytes })],
    openFacts: openOnlineReader,
    bodyLimitBytes,
    ...(replica === undefined ? {} : { replica }),
  });
