import type { Command } from 'commander';
import type { Program } from '../command.ts';

export function experimentCommands(_program: Program, _root: Command): void {}
