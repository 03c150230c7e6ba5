// Entry of the data plane, started by the supervisor.
import { mlflowScoringDialect } from '../dialects/mlflow-scoring/mlflow-scoring.ts';
import { oipDialect } from '../dialects/oip/oip.ts';
import { openOnlineReader } from '../domains/features/public.ts';
import { startDataPlane } from '../domains/serving/public.ts';
import { processSettings } from '../kernel/config/settings.ts';
import { openLog } from '../kernel/log.ts';
import { runChild } from './child.ts';
import { programVersion } from './version.ts';

await runChild(() => {
  const { dir, host, servePort, logLevel, bodyLimitBytes } = processSettings();
  return startDataPlane({
    dir,
    host,
    port: servePort,
    log: openLog(logLevel),
    programVersion,
    dialects: [oipDialect, mlflowScoringDialect],
    openFacts: openOnlineReader,
    bodyLimitBytes,
  });
});
