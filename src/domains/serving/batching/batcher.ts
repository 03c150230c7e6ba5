// Groups what waits for a lane of a model. It is work-conserving: with a lane idle an item runs at once and alone, in the
// same turn; only what comes while all lanes are busy waits, and what waits together and may be grouped runs together. There is
// no window that a lone request would wait out.
import { fail } from '../errors.ts';

export interface BatcherOptions<Q, A> {
  /** Runs items of one group together; one answer or Error for each, in order. A throw fails the batch: it is then run item by item. */
  readonly run: (items: readonly Q[]) => Promise<readonly (A | Error)[]>;
  /** Batches at once. */
  readonly lanes: number;
  /** Rows of a batch; an item with more runs alone. */
  readonly maxRows: number;
  /** Beyond it `serving-overloaded`. An item that is larger than that waits only in an empty queue. */
  readonly maxQueuedRows: number;
  /** More than a batch may wait only if its turn comes within so long, as far as the last batches say. */
  readonly maxQueuedMs?: number;
  /** Told of each batch as it begins. */
  readonly observe?: (batch: BatchBegun, first: Q) => void;
}

export interface BatchBegun {
  readonly rows: number;
  readonly items: number;
  /** How long the oldest of its items waited. */
  readonly waitedMs: number;
}

export interface Submission {
  readonly rows: number;
  /** Items of one group may run together. */
  readonly group: string;
  /** By `performance.now()`; an item that still waits then is given up. */
  readonly deadlineMs?: number;
  /** An item whose caller is gone is not run. */
  readonly signal?: AbortSignal;
}

export interface Batcher<Q, A> {
  /** Raises `serving-overloaded` and `serving-deadline-exceeded`, the signal's reason, and what `run` says. */
  submit(item: Q, options: Submission): Promise<A>;
  readonly state: () => { readonly queuedRows: number; readonly running: number };
  /** Answers what is in it. */
  close(): Promise<void>;
}

interface Waiting<Q, A> {
  readonly item: Q;
  readonly rows: number;
  readonly group: string;
  readonly since: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (() => void) | undefined;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
  /** No longer in the queue: taken by a batch, or given up. */
  left: boolean;
}

export function openBatcher<Q, A>(options: BatcherOptions<Q, A>): Batcher<Q, A> {
  const { run, lanes, maxRows, maxQueuedRows, maxQueuedMs = Infinity, observe } = options;
  // By arrival, whatever the group; those that left are skipped when they come to the front.
  const order = fifo<Waiting<Q, A>>();
  const groups = new Map<string, Fifo<Waiting<Q, A>>>();
  let queuedRows = 0;
  let running = 0;
  let abandoned = 0;
  // Of the last batches, the newest counting most.
  let rowMs = 0;
  let closed: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let timerAtMs = Infinity;

  const submit = (item: Q, { rows, group, deadlineMs = Infinity, signal }: Submission): Promise<A> =>
    new Promise((resolve, reject) => {
      if (closed) throw new Error('the batcher is closed');
      if (signal?.aborted) throw signal.reason;
      const since = performance.now();
      if (deadlineMs <= since) fail('serving-deadline-exceeded', {});
      // Whatever waits has a lane to wait for, so a free lane means that nothing waits.
      const begins = running < lanes;
      if (!begins && queuedRows > 0) requireRoom(rows);
      const onAbort = begins || !signal ? undefined : () => giveUp(one, () => reject(signal.reason));
      const one: Waiting<Q, A> = { item, rows, group, since, deadlineMs, signal, onAbort, resolve, reject, left: begins };
      if (begins) void begin([one]);
      else enqueue(one);
    });

  const requireRoom = (rows: number): void => {
    const waitMs = ((queuedRows + rows) * rowMs) / lanes;
    if (queuedRows + rows <= maxQueuedRows && (queuedRows + rows <= maxRows || waitMs <= maxQueuedMs)) return;
    fail('serving-overloaded', {
      why: `${queuedRows} rows wait for the model already`,
      retryAfterS: Math.min(60, Math.max(1, Math.ceil(waitMs / 1000))),
    });
  };

  const enqueue = (one: Waiting<Q, A>): void => {
    let group = groups.get(one.group);
    if (!group) groups.set(one.group, (group = fifo()));
    group.push(one);
    order.push(one);
    queuedRows += one.rows;
    if (one.onAbort) one.signal!.addEventListener('abort', one.onAbort, { once: true });
    if (one.deadlineMs < timerAtMs) setTimer(one.deadlineMs);
  };

  const leave = (one: Waiting<Q, A>): void => {
    one.left = true;
    queuedRows -= one.rows;
    if (one.onAbort) one.signal!.removeEventListener('abort', one.onAbort);
  };

  const giveUp = (one: Waiting<Q, A>, tell: () => void): void => {
    if (one.left) return;
    leave(one);
    const group = groups.get(one.group);
    if (group && !group.first(gone)) groups.delete(one.group);
    // What was given up holds its body as long as it is in a list.
    if (++abandoned > 64 && abandoned * 2 > order.all().length) {
      for (const list of [order, ...groups.values()]) list.compact(gone);
      abandoned = 0;
    }
    tell();
  };

  const expire = (one: Waiting<Q, A>): void => {
    try {
      fail('serving-deadline-exceeded', {});
    } catch (problem) {
      one.reject(problem);
    }
  };

  // One timer, for the nearest deadline of those that wait: a caller hears of it then, and not when a lane comes free.
  const setTimer = (atMs: number): void => {
    clearTimeout(timer);
    timerAtMs = atMs;
    timer = atMs === Infinity ? undefined : setTimeout(onTimer, Math.min(2 ** 31 - 1, Math.max(0, Math.ceil(atMs - performance.now()))));
  };

  const onTimer = (): void => {
    const now = performance.now();
    let next = Infinity;
    for (const one of order.all()) {
      if (one.left) continue;
      if (one.deadlineMs <= now) giveUp(one, () => expire(one));
      else if (one.deadlineMs < next) next = one.deadlineMs;
    }
    setTimer(next);
  };

  /** The oldest item, and with it those of its group that fit in. */
  const take = (): Waiting<Q, A>[] => {
    const oldest = order.first(gone);
    if (!oldest) return [];
    const group = groups.get(oldest.group)!;
    const batch: Waiting<Q, A>[] = [];
    let rows = 0;
    for (let one = group.first(gone); one && (batch.length === 0 || rows + one.rows <= maxRows); one = group.first(gone)) {
      batch.push(one);
      rows += one.rows;
      leave(one);
    }
    if (!group.first(gone)) groups.delete(oldest.group);
    return batch;
  };

  const pump = (): void => {
    while (running < lanes) {
      const batch = take();
      if (batch.length === 0) break;
      void begin(batch);
    }
    if (queuedRows === 0 && timer && !order.first(gone)) setTimer(Infinity);
    if (running === 0) closed?.resolve();
  };

  const begin = async (batch: readonly Waiting<Q, A>[]): Promise<void> => {
    running++;
    const began = performance.now();
    let rows = 0;
    for (const one of batch) rows += one.rows;
    observe?.({ rows, items: batch.length, waitedMs: began - batch[0]!.since }, batch[0]!.item);
    try {
      if (!(await attempt(batch))) for (const one of batch) await alone(one);
    } finally {
      const took = (performance.now() - began) / Math.max(1, rows);
      rowMs = rowMs === 0 ? took : rowMs * 0.8 + took * 0.2;
      running--;
      pump();
    }
  };

  /** Whether the items have their answers. A batch of one that failed has the error as its answer. */
  const attempt = async (batch: readonly Waiting<Q, A>[]): Promise<boolean> => {
    try {
      const answers = await run(batch.map((one) => one.item));
      if (answers.length !== batch.length) throw new Error(`${answers.length} answers came for ${batch.length} items`);
      batch.forEach((one, i) => {
        const answer = answers[i]!;
        if (answer instanceof Error) one.reject(answer);
        else one.resolve(answer);
      });
      return true;
    } catch (error) {
      if (batch.length > 1) return false;
      batch[0]!.reject(error);
      return true;
    }
  };

  // One item that the model chokes on must not fail its neighbours.
  const alone = async (one: Waiting<Q, A>): Promise<void> => {
    if (one.signal?.aborted) one.reject(one.signal.reason);
    else if (one.deadlineMs <= performance.now()) expire(one);
    else await attempt([one]);
  };

  return {
    submit,
    state: () => ({ queuedRows, running }),
    close: () => {
      closed ??= Promise.withResolvers<void>();
      if (running === 0) closed.resolve();
      return closed.promise;
    },
  };
}

const gone = (one: { readonly left: boolean }): boolean => one.left;

interface Fifo<T> {
  push(one: T): void;
  /** The first that is not gone; those before it are forgotten. */
  first(gone: (one: T) => boolean): T | undefined;
  all(): readonly T[];
  compact(gone: (one: T) => boolean): void;
}

/** A list that loses its front in constant time. */
function fifo<T>(): Fifo<T> {
  let items: T[] = [];
  let head = 0;
  return {
    push: (one) => void items.push(one),
    first: (gone) => {
      while (head < items.length && gone(items[head]!)) head++;
      if (head > 64 && head * 2 > items.length) {
        items = items.slice(head);
        head = 0;
      }
      return items[head];
    },
    all: () => (head === 0 ? items : items.slice(head)),
    compact: (gone) => {
      items = items.filter((one, i) => i >= head && !gone(one));
      head = 0;
    },
  };
}
