// JSON in text columns.
export const parsed = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T));
export const toText = (value: unknown): string | null => (value === null || value === undefined ? null : JSON.stringify(value));
