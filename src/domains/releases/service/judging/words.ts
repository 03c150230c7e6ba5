// How figures of guardrails are put into words.
import type { GuardrailFigures } from '../../model.ts';

export type Judged = Omit<GuardrailFigures, 'metric' | 'step' | 'then'>;

export const nothing = { candidate: null, stable: null, difference: null, interval: null, pValue: null } as const;

export const level = (alpha: number): string => `${Number((100 * (1 - alpha)).toFixed(1))} %`;
export const round = (x: number): number => Number(x.toPrecision(4));
