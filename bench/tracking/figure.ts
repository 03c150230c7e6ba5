// A figure beside the same of MLflow, and whether it is what is asked for.
import { row, type Row } from '../table.ts';

export interface Figure {
  readonly what: string;
  readonly gyre: string;
  readonly installed: string;
  readonly lean: string;
  readonly ratio: string;
  readonly target: string;
  readonly met: boolean;
}

export interface Compared {
  readonly what: string;
  readonly unit: '/s' | ' ms' | ' s' | ' MB' | ' MB/s';
  /** More is better. */
  readonly more?: boolean;
  readonly gyre: number;
  readonly installed?: number;
  readonly lean?: number;
  readonly atLeast?: { readonly installed: number; readonly lean: number };
  readonly atMost?: number;
}

const shown = (value: number | undefined, unit: string): string =>
  value === undefined ? '' : `${value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en-US')}${unit}`;

export function compare(c: Compared): Figure {
  const ratio = (peer: number | undefined): number | undefined => (peer === undefined ? undefined : c.more ? c.gyre / peer : peer / c.gyre);
  const [installed, lean] = [ratio(c.installed), ratio(c.lean)];
  const times = (r: number): string => `${r < 10 ? r.toFixed(1) : Math.round(r)} x`;
  const asked = c.atLeast;
  return {
    what: c.what,
    gyre: shown(c.gyre, c.unit),
    installed: shown(c.installed, c.unit),
    lean: shown(c.lean, c.unit),
    ratio: [installed, lean].flatMap((r) => (r === undefined ? [] : [times(r)])).join(', '),
    target: [
      ...(asked ? [asked.installed === asked.lean ? `>= ${asked.lean} x` : `>= ${asked.installed} x, >= ${asked.lean} x`] : []),
      ...(c.atMost === undefined ? [] : [`<= ${c.atMost}${c.unit}`]),
    ].join(' and '),
    met:
      (!asked || ((installed ?? Infinity) >= asked.installed && (lean ?? Infinity) >= asked.lean)) &&
      (c.atMost === undefined || c.gyre <= c.atMost),
  };
}

export const toRow = (f: Figure): Row =>
  row(
    f.what,
    [f.gyre, ...(f.installed || f.lean ? [`(MLflow ${[f.installed, f.lean].filter(Boolean).join(', ')}: ${f.ratio})`] : [])].join(' '),
    f.target && `${f.target}${f.met ? '' : '  MISSED'}`,
  );
