// What a check found.

export interface Finding {
  readonly check: string;
  /** A warning needs an eye, a fault needs a hand. */
  readonly state: 'ok' | 'warning' | 'fault';
  readonly what: string;
  /** How to mend it; '' where all is well. */
  readonly mend: string;
}

export const ok = (check: string, what: string): Finding => ({ check, state: 'ok', what, mend: '' });
export const warning = (check: string, what: string, mend: string): Finding => ({ check, state: 'warning', what, mend });
export const fault = (check: string, what: string, mend: string): Finding => ({ check, state: 'fault', what, mend });

export interface DoctorOptions {
  /** Reads every blob and compares its digest. */
  readonly deep?: boolean;
  readonly progress?: (done: number, of?: number) => void;
  readonly nowMs?: number;
}
