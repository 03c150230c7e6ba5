// One entry of the table of settings, and how values are read from text.
export interface Setting<T> {
  readonly env: `GYRE_${string}`;
  readonly expected: string;
  readonly default: T;
  readonly doc: string;
  readonly secret?: true;
  readonly parse: (text: string) => T | undefined;
}

export const setting = <T>(s: Setting<T>): Setting<T> => s;
export const text = (value: string): string => value;
export const integer = (low: number, high: number) => (value: string) =>
  /^\d+$/.test(value) && Number(value) >= low && Number(value) <= high ? Number(value) : undefined;
export const oneOf =
  <const V extends string>(...values: V[]) =>
  (value: string): V | undefined =>
    values.find((v) => v === value);
export const flag = (value: string): boolean | undefined => ({ '1': true, true: true, '0': false, false: false })[value];
/** Names of hosts, each with a port or without. */
export const hosts = (value: string): string | undefined =>
  value.split(',').every((host) => /^\s*(\[[0-9a-fA-F:.]+\](:\d+)?|[\w.-]+(:\d+)?|[0-9a-fA-F:]+|)\s*$/.test(host)) ? value : undefined;
