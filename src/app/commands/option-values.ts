// Values of options, as settings and commands want them.
import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'option-invalid': {
    status: 400,
    title: 'An option cannot be used',
    detail: (p: { option: string; value: string; expected: string }) => `${p.option} ${p.value} cannot be used: ${p.expected} is expected.`,
  },
});

/** Raises `option-invalid`. */
export function port(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  return /^\d+$/.test(value) && Number(value) <= 65_535
    ? Number(value)
    : fail('option-invalid', { option, value, expected: 'a port from 0 to 65535' });
}

/** Without what was not given. */
export const present = <T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, v]) => v !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
