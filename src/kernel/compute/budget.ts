// Memory and processes are handed out before a query starts, so that together they never need more than
// there is; queries wait in the order they came.

interface Waiting {
  readonly memoryMb: number;
  readonly go: () => void;
  readonly leave: (why: Error) => void;
}

export interface Budget {
  /** Resolves with the call that gives back what was taken. Rejects when the signal aborts or the budget closes. */
  take(memoryMb: number, signal?: AbortSignal): Promise<() => void>;
  close(): void;
}

export function openBudget(memoryMb: number, processes: number): Budget {
  const waiting: Waiting[] = [];
  let freeMb = memoryMb;
  let free = processes;

  const admit = (): void => {
    // In order: a large query is not overtaken for ever by small ones.
    while (waiting.length > 0 && free > 0 && waiting[0]!.memoryMb <= freeMb) {
      const next = waiting.shift()!;
      freeMb -= next.memoryMb;
      free -= 1;
      next.go();
    }
  };

  return {
    take: (wanted, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason as Error);
        const aborted = (): void => {
          waiting.splice(waiting.indexOf(me), 1);
          reject(signal!.reason as Error);
          admit();
        };
        const giveBack = (): void => {
          freeMb += wanted;
          free += 1;
          admit();
        };
        const me: Waiting = {
          memoryMb: wanted,
          go: () => {
            signal?.removeEventListener('abort', aborted);
            resolve(giveBack);
          },
          leave: reject,
        };
        signal?.addEventListener('abort', aborted, { once: true });
        waiting.push(me);
        admit();
      }),
    close: () => {
      for (const { leave } of waiting.splice(0)) leave(new Error('compute is closed'));
    },
  };
}
