// A figure of serving, what it is compared with, and whether that is what is asked for.
import { quantile, row, type Row } from '../table.ts';
import type { Load } from './load.ts';

export interface Figure {
  readonly what: string;
  readonly figure: string;
  readonly compared: string;
  readonly target: string;
  readonly met: boolean;
}

export const rateOf = ({ answered, seconds }: Load): number => answered / seconds;
export const perSecond = (rate: number): string => `${Math.round(rate).toLocaleString('en-US')}/s`;
export const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
export const us = (value: number): string => (value >= 10_000 ? `${(value / 1000).toFixed(1)} ms` : `${Math.round(value)} us`);
export const at = (load: Load, share: number): number => quantile(load.latencyUs, share);

export const figure = (what: string, value: string, compared = '', target = '', met = true): Figure => ({
  what,
  figure: value,
  compared,
  target,
  met,
});

export const toRow = (f: Figure): Row =>
  row(f.what, f.compared ? `${f.figure} (${f.compared})` : f.figure, f.target && `${f.target}${f.met ? '' : '  MISSED'}`);
