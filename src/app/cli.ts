// The command line: every command is declared here, and nothing is loaded before it is asked for.
import type { Command } from 'commander';
import type { Terminal } from '../kernel/cli/terminal.ts';
import { rootCommand, runCommandLine } from './commands/command-line.ts';
import { accessCommands } from './commands/admin/access.ts';
import type { Program } from './commands/command.ts';
import { datasetCommands } from './commands/datasets.ts';
import { endpointCommands } from './commands/endpoints.ts';
import { lineageCommands } from './commands/evidence/lineage.ts';
import { modelCommands } from './commands/models.ts';
import { projectCommands } from './commands/project.ts';
import { runCommands } from './commands/runs.ts';
import { monitorCommands } from './commands/monitor.ts';
import { alertCommands } from './commands/alerts.ts';
import { retrainingCommands } from './commands/retraining.ts';
import { governanceCommands } from './commands/evidence/governance.ts';
import { documentCommands } from './commands/evidence/documents.ts';
import { experimentCommands } from './commands/tracking/experiments.ts';
import { maintenanceCommands } from './commands/admin/maintenance.ts';
import { serverCommands } from './commands/server.ts';
import { transferCommands } from './commands/tracking/transfer.ts';
import { webhookCommands } from './commands/admin/webhooks.ts';

/** The whole program; `exit` hears the code of the command that ran. */
export function buildProgram(program: Program): Command {
  const root = rootCommand();
  serverCommands(program, root);
  projectCommands(program, root);
  runCommands(program, root);
  experimentCommands(program, root);
  transferCommands(program, root);
  datasetCommands(program, root);
  modelCommands(program, root);
  endpointCommands(program, root);
  monitorCommands(program, root);
  alertCommands(program, root);
  retrainingCommands(program, root);
  lineageCommands(program, root);
  documentCommands(program, root);
  governanceCommands(program, root);
  webhookCommands(program, root);
  accessCommands(program, root);
  maintenanceCommands(program, root);
  return root;
}

/** Runs one command line and answers its exit code. Never throws. */
export const runCli = (args: readonly string[], terminal?: Terminal): Promise<number> => runCommandLine(buildProgram, args, terminal);
