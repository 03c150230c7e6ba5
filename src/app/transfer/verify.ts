// Both sides, compared: what was counted and digested while the source was read, and what the server has now.
import type { Counted, ExperimentTally, Progress, State } from './tally.ts';
import type { Compared, Target } from './target.ts';

const AT_ONCE = 100;
const FILES_OF = 20;

function* some<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}

export async function compareAll(target: Target, state: State, progress: Progress): Promise<void> {
  const tallies = new Map(state.tallies.map((t) => [t.targetId, t]));
  let done = 0;
  const step = (n: number): void => progress('compared', (done += n));
  for (const kind of ['run', 'logged-model'] as const) {
    const all = kind === 'run' ? state.runs : state.loggedModels;
    for (const batch of some(all, AT_ONCE)) {
      const found = new Map(
        (
          await target.digests(
            kind,
            batch.map((c) => c.targetId),
          )
        ).map((c) => [c.id, c]),
      );
      for (const c of batch) compareRecord(kind, c, found.get(c.targetId), tallies.get(c.experiment)!);
      step(batch.length);
    }
    for (const batch of some(
      all.filter((c) => c.files !== undefined),
      FILES_OF,
    )) {
      const found = new Map(
        (
          await target.fileDigests(
            kind,
            batch.map((c) => c.targetId),
          )
        ).map((f) => [f.id, f]),
      );
      for (const c of batch) {
        const [there, tally] = [found.get(c.targetId), tallies.get(c.experiment)!];
        tally.target.files += there?.files ?? 0;
        tally.target.bytes += there?.bytes ?? 0;
        if (there?.digest !== c.files!.digest)
          tally.differences.push(
            `files of ${kind} ${c.sourceId}: ${c.files!.files} with ${c.files!.bytes} bytes, here ${there?.files ?? 0} with ${there?.bytes ?? 0}`,
          );
      }
    }
  }
  for (const batch of some(state.registered, AT_ONCE)) {
    const found = new Map(
      (
        await target.digests(
          'model',
          batch.map((m) => m.name),
        )
      ).map((c) => [c.id, c]),
    );
    for (const m of batch)
      if (found.get(m.name)?.record !== m.record)
        state.differences.push(`registered model ${m.name} has other versions, tags or aliases here`);
    step(batch.length);
  }
}

function compareRecord(kind: 'run' | 'logged-model', c: Counted, there: Compared | undefined, tally: ExperimentTally): void {
  if (!there) return void tally.differences.push(`${kind} ${c.sourceId} is not here`);
  const { target, differences } = tally;
  if (kind === 'run') {
    target.runs += 1;
    target.params += there.params;
    target.tags += there.tags;
    target.points += there.points;
  } else target.loggedModels += 1;
  if (there.record !== c.record)
    differences.push(
      `${kind} ${c.sourceId} has other ${kind === 'run' ? 'params, tags, inputs or times' : 'params, tags or metrics'} here`,
    );
  if (kind === 'run' && there.metrics !== c.metrics.digest)
    differences.push(`run ${c.sourceId} has other points: ${c.metrics.count}, here ${there.points}`);
}
