import type { Command } from 'commander';
import type { Program } from './command.ts';
import { monitorSendCommands } from './monitor-send.ts';
import { monitorReadCommands } from './monitoring/windows.ts';

export function monitorCommands(program: Program, root: Command): void {
  const monitor = root.command('monitor').description('models in use, and what really happened');
  monitorReadCommands(program, monitor);
  monitorSendCommands(program, monitor);
}
