// Experiments on their way, run by run. Each is noted as done when all of it has arrived, so that a command that was killed
// goes on there.
import { createHash } from 'node:crypto';
import { hashPoints, loggedModelDigest, metricsDigest, runDigest, type PointsHash } from '../../domains/transfers/public.ts';
import { listFiles, takeFiles } from './files.ts';
import type { TakeOverOptions } from './names.ts';
import type { Owner, Source, SourceExperiment, SourceFile, SourceLoggedModel, SourceMetric, SourceRun } from './source.ts';
import { nothing, type Counted, type ExperimentTally, type State } from './tally.ts';
import type { Target } from './target.ts';

const RUNS_AT_ONCE = 50;

/** The experiments of a source with their runs and logged models, one after the other. */
export class Experiments {
  private readonly state: State;
  private readonly source: Source;
  private readonly target: Target | undefined;
  private readonly options: TakeOverOptions;
  private done = { runs: 0, loggedModels: 0 };

  constructor(source: Source, target: Target | undefined, options: TakeOverOptions, state: State) {
    this.state = state;
    this.source = source;
    this.target = target;
    this.options = options;
  }

  async take(e: SourceExperiment): Promise<void> {
    const { into, rename } = this.options.names;
    const name = into ?? rename.get(e.name) ?? e.name;
    const artifactLocation = this.options.artifacts === 'link' ? e.artifactLocation : null;
    const targetId = this.target ? await this.target.experiment({ ...e, name, artifactLocation, into: into !== undefined }) : e.id;
    const tally: ExperimentTally = { sourceId: e.id, targetId, name, source: nothing(), target: nothing(), differences: [] };
    this.state.tallies.push(tally);
    let batch: SourceRun[] = [];
    const flush = async (): Promise<void> => {
      const runs = batch;
      batch = [];
      await this.takeRuns(runs, tally);
      this.options.progress('runs', (this.done.runs += runs.length));
    };
    for await (const run of this.source.runs(e)) {
      batch.push(run);
      if (batch.length === RUNS_AT_ONCE) await flush();
    }
    await flush();
    for await (const model of this.source.loggedModels(e)) {
      await this.takeLoggedModel(model, tally);
      this.options.progress('logged models', (this.done.loggedModels += 1));
    }
  }

  private async takeRuns(runs: readonly SourceRun[], tally: ExperimentTally): Promise<void> {
    if (runs.length === 0) return;
    const parents = runs.flatMap((r) => r.tags.filter((t) => t.key === PARENT).map((t) => t.value)).filter(isRunId);
    const ids = await this.target?.became('run', [...runs.map((r) => r.id), ...parents]);
    const models = await this.target?.became(
      'logged-model',
      runs.flatMap((r) => r.models.map((m) => m.id)),
    );
    const link = this.options.artifacts === 'link';
    const mapped = runs.map((r) => ({
      ...r,
      id: ids?.get(r.id)?.targetId ?? r.id,
      experimentId: tally.targetId,
      artifactUri: link ? r.artifactUri : null,
      tags: r.tags.map((t) => (t.key === PARENT ? { ...t, value: ids?.get(t.value)?.targetId ?? t.value } : t)),
      models: r.models.map((m) => ({ ...m, id: models?.get(m.id)?.targetId ?? m.id })),
    }));
    // What is there already is only compared; the rest is written first, so that points and files have a run to go to.
    const known = runs.map((r) => ids?.get(r.id)?.fingerprint ?? null);
    await this.target?.runs(
      tally.targetId,
      mapped.filter((_, i) => known[i] === null),
    );
    const sender = this.target?.metrics();
    const finished: { sourceId: string; fingerprint: string }[] = [];
    for (const [i, run] of runs.entries()) {
      const record = mapped[i]!;
      const metrics = await this.metricsOf(run, known[i] === null ? (m) => sender?.add(record.id, m) : undefined);
      const counted: Counted = {
        sourceId: run.id,
        targetId: record.id,
        experiment: tally.targetId,
        record: runDigest(record),
        params: new Set(run.params.map((p) => p.key)).size,
        tags: new Set(run.tags.map((t) => t.key)).size,
        metrics,
      };
      const listed = await this.listed({ kind: 'run', of: run });
      const fingerprint = this.fingerprint(counted, listed);
      if (known[i] !== null && known[i] !== fingerprint) {
        // It went on at the source since it was brought here.
        await this.target?.runs(tally.targetId, [record]);
        await this.metricsOf(run, (m) => sender?.add(record.id, m));
      }
      const isSent = known[i] !== fingerprint;
      if (listed) counted.files = await takeFiles(this.target, 'run', counted, listed, isSent, this.state);
      if (isSent) finished.push({ sourceId: run.id, fingerprint });
      else this.state.unchanged += 1;
      this.state.runs.push(counted);
      add(tally, counted, 'runs');
    }
    await sender?.flush();
    await this.target?.done('run', finished);
  }

  private async metricsOf(run: SourceRun, send: ((m: SourceMetric) => Promise<void> | undefined) | undefined) {
    const hashes = new Map<string, PointsHash>();
    for await (const metric of this.source.metrics(run)) {
      const hash = hashes.get(metric.key) ?? hashPoints();
      hashes.set(metric.key, hash);
      hash.add(metric.points);
      await send?.(metric);
    }
    return metricsDigest(new Map([...hashes].map(([key, hash]) => [key, hash.end()])));
  }

  private listed(owner: Owner): Promise<SourceFile[] | undefined> {
    return this.options.artifacts === 'copy' ? listFiles(this.source, owner, this.state) : Promise.resolve(undefined);
  }

  private fingerprint(c: Counted, files: readonly SourceFile[] | undefined): string {
    const list = files?.map((f) => [f.path, f.sizeBytes]).toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1)) ?? this.options.artifacts;
    return createHash('sha256')
      .update(JSON.stringify([c.targetId, c.record, c.metrics, list]))
      .digest('hex');
  }

  private async takeLoggedModel(m: SourceLoggedModel, tally: ExperimentTally): Promise<void> {
    const became = (await this.target?.became('logged-model', [m.id]))?.get(m.id);
    const runIds = [...new Set([...(m.sourceRunId ? [m.sourceRunId] : []), ...m.metrics.map((x) => x.runId)])].filter(isRunId);
    const runs = await this.target?.became('run', runIds);
    const runOf = (id: string): string => runs?.get(id)?.targetId ?? id;
    const record = {
      ...m,
      id: became?.targetId ?? m.id,
      experimentId: tally.targetId,
      artifactUri: this.options.artifacts === 'link' ? m.artifactUri : null,
      sourceRunId: m.sourceRunId === null ? null : runOf(m.sourceRunId),
      metrics: m.metrics.map((x) => ({ ...x, runId: runOf(x.runId) })),
    };
    const counted: Counted = {
      sourceId: m.id,
      targetId: record.id,
      experiment: tally.targetId,
      record: loggedModelDigest(record),
      params: m.params.length,
      tags: m.tags.length,
      metrics: { count: m.metrics.length, digest: '' },
    };
    const listed = await this.listed({ kind: 'logged-model', of: m });
    const fingerprint = this.fingerprint(counted, listed);
    const isSent = became?.fingerprint !== fingerprint;
    if (isSent) await this.target?.loggedModel(record);
    else this.state.unchanged += 1;
    if (listed) counted.files = await takeFiles(this.target, 'logged-model', counted, listed, isSent, this.state);
    if (isSent) {
      await this.target?.seal([record.id]);
      await this.target?.done('logged-model', [{ sourceId: m.id, fingerprint }]);
    }
    this.state.loggedModels.push(counted);
    add(tally, counted, 'loggedModels');
  }
}

const PARENT = 'mlflow.parentRunId';
const isRunId = (id: string): boolean => /^[a-zA-Z0-9][\w-]{0,255}$/.test(id);

function add(tally: ExperimentTally, c: Counted, kind: 'runs' | 'loggedModels'): void {
  const { source } = tally;
  source[kind] += 1;
  if (kind === 'runs') {
    source.params += c.params;
    source.tags += c.tags;
    source.points += c.metrics.count;
  }
  source.files += c.files?.files ?? 0;
  source.bytes += c.files?.bytes ?? 0;
}
