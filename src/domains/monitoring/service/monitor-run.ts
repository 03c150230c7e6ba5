// One monitor within one tick: what is due, in order, and the figures of it.
import type { Ctx } from '../../../kernel/ctx.ts';
import { windowStart } from '../../../kernel/timeline/windows.ts';
import { joinedFiles, type JoinedFile } from '../../feedback/public.ts';
import { endpointOf, type MonitorDefinition } from '../../projects/public.ts';
import { inferenceFiles } from '../../serving/public.ts';
import { dueUs, type DataFigures, type MonitorState, type Window, type WindowKind } from '../model.ts';
import * as monitors from '../store/monitors.ts';
import { USUAL_WINDOWS, volumesBefore } from '../store/volumes.ts';
import { findLatest, listWindows } from '../store/windows.ts';
import { begin } from './begin.ts';
import { openBaselines, type Baselines } from './baselines.ts';
import type { Closing } from './close-window.ts';
import { dataFigures } from './figures/data-figures.ts';
import { estimateQuestion } from './figures/estimate.ts';
import { computeEstimates } from './figures/figures-thread.ts';
import { readJoined, type JoinedRows } from './joined-rows.ts';
import { performanceFigures } from './figures/performance-window.ts';
import { areNear, BATCH_WINDOWS, mostOf, newestOf, together } from './group-windows.ts';
import { Batches, type Read } from './batches.ts';
import { BATCH_RECORDS, emptyContents, readWindows, withinBatch, type Span, type WindowContents } from './read-windows.ts';

export interface Due extends Span {
  readonly kind: WindowKind;
  readonly dueUs: number;
}

export interface MonitorRun {
  readonly name: string;
  readonly state: () => MonitorState;
  /** The window to close next; undefined if none is due. */
  readonly next: () => Due | undefined;
  /** Makes the figures of the next window and moves on; nothing is written here. */
  readonly close: () => Promise<Closing>;
  /** The state has been written. */
  readonly written: () => void;
  /** New generations of windows whose labels changed since they were closed. */
  readonly relabelled: () => AsyncGenerator<Closing>;
}

type Labels = Map<string, JoinedRows>;

/** undefined while no record has come yet. */
export async function openRun(ctx: Ctx, project: string, monitor: MonitorDefinition, nowUs: number): Promise<MonitorRun | undefined> {
  const found = await monitors.findState(ctx.db, ctx.workspace, project, monitor.name);
  const state = found ?? (await begin(ctx, project, monitor, nowUs));
  return state && new Run(ctx, project, monitor, nowUs, state);
}

class Run implements MonitorRun {
  readonly name: string;
  private readonly ctx: Ctx;
  private readonly project: string;
  private readonly monitor: MonitorDefinition;
  private readonly nowUs: number;
  private readonly baselines: Baselines;
  private current: MonitorState;
  private readonly contents = new Batches<WindowContents>((first) => this.readContents(first));
  private readonly labels = new Batches<Labels>((first) => this.readLabels(first));
  private joinSeen = 0;
  private history: number[] | undefined;
  /** Data windows of this tick by their start: they may not be written yet. */
  private readonly dataWindows = new Map<number, Closing['window']>();

  constructor(ctx: Ctx, project: string, monitor: MonitorDefinition, nowUs: number, state: MonitorState) {
    this.name = monitor.name;
    this.ctx = ctx;
    this.project = project;
    this.monitor = monitor;
    this.nowUs = nowUs;
    this.current = state;
    this.baselines = openBaselines(ctx, project, monitor, state);
  }

  state = (): MonitorState => this.current;
  written = (): void => void (this.current = { ...this.current, version: this.current.version + 1 });

  /** Ends at the next border of the grid, so that a changed length leaves one short window and no gap. */
  private spanFrom(kind: WindowKind, fromUs: number): Due {
    const toUs = windowStart(fromUs, this.monitor.windowUs) + this.monitor.windowUs;
    const due = dueUs(kind, toUs, this.monitor);
    // Performance is of the records of a data window, so it never comes before it.
    return { kind, fromUs, toUs, dueUs: kind === 'data' ? due : Math.max(due, dueUs('data', toUs, this.monitor)) };
  }

  private nextOf = (kind: WindowKind): Due =>
    this.spanFrom(kind, kind === 'data' ? this.current.dataNextUs : this.current.performanceNextUs);

  next = (): Due | undefined => {
    const [data, performance] = [this.nextOf('data'), this.nextOf('performance')];
    const first = performance.dueUs < data.dueUs ? performance : data;
    return first.dueUs <= this.nowUs ? first : undefined;
  };

  close = async (): Promise<Closing> => {
    const due = this.next()!;
    return due.kind === 'data' ? this.closeData(due) : this.closePerformance(due);
  };

  /** Windows that make the baseline are read without it, so no batch crosses its end. */
  private beforeBaseline({ fromUs }: Span): boolean {
    const { baseline } = this.monitor;
    return baseline !== null && 'firstUs' in baseline && fromUs < this.current.firstUs + baseline.firstUs;
  }

  /** Windows of the same length from this one on that are due as well. */
  private batchFrom(due: Due): Span[] {
    const length = due.toUs - due.fromUs;
    const spans: Span[] = [];
    for (let span = due; spans.length < BATCH_WINDOWS && span.dueUs <= this.nowUs; span = this.spanFrom(due.kind, span.toUs)) {
      if (span.toUs - span.fromUs !== length || this.beforeBaseline(span) !== this.beforeBaseline(due)) break;
      spans.push({ fromUs: span.fromUs, toUs: span.toUs });
    }
    return spans;
  }

  private async readContents(first: Span): Promise<Read<WindowContents>> {
    const due = this.spanFrom('data', first.fromUs);
    const following = this.batchFrom(due);
    const of = { project: this.project, endpoint: endpointOf(this.monitor) };
    const files = await inferenceFiles(this.ctx, { ...of, fromUs: due.fromUs, toUs: following.at(-1)!.toUs - 1 });
    const batch = withinBatch(
      following,
      files.map((f) => ({ fromUs: f.fromUs, rows: f.records })),
    );
    // Where no file reaches there is nothing to read, however long the gap.
    const held = batch.filter((w) => files.some((f) => f.fromUs < w.toUs && f.toUs >= w.fromUs));
    const untilUs = batch.at(-1)!.toUs;
    if (held.length === 0) return { windows: new Map(), untilUs };
    const windows = await readWindows(
      this.ctx,
      { project: this.project, monitor: this.monitor, guess: this.current.lead },
      batch.filter((w) => w.fromUs >= held[0]!.fromUs && w.toUs <= held.at(-1)!.toUs),
      async (version) => (await this.baselines.of(version, due)).baseline,
    );
    return { windows, untilUs };
  }

  private async readLabels(first: Span): Promise<Read<Labels>> {
    const following = this.batchFrom(this.spanFrom('performance', first.fromUs));
    // Before they are read, so that a join that comes meanwhile is not taken for one that was seen.
    const files = await this.joins({ fromUs: first.fromUs, toUs: following.at(-1)!.toUs });
    this.joinSeen = newestOf(files);
    const batch = withinBatch(
      following,
      files.map((f) => ({ fromUs: f.fromUs, rows: f.labels })),
    );
    const windows = await readJoined(this.ctx, { project: this.project, monitor: this.monitor }, batch);
    return { windows, untilUs: batch.at(-1)!.toUs };
  }

  private async closeData(due: Due): Promise<Closing> {
    const contents = (await this.contents.take(due)) ?? emptyContents;
    const { baseline, id, versionId, without } = await this.baselines.of(contents.lead, due);
    this.history ??= await this.volumesBefore(due);
    const estimate = await computeEstimates(estimateQuestion(this.monitor, baseline, contents.scores, without));
    const { figures, findings, sketch } = dataFigures({
      monitor: this.monitor,
      contents,
      baseline,
      without,
      history: this.history,
      estimate,
    });
    this.history = [...this.history, figures.volume.records].slice(-USUAL_WINDOWS);
    this.current = { ...this.current, dataNextUs: due.toUs, lead: contents.lead === '' ? this.current.lead : contents.lead };
    const window = {
      ...this.windowOf(due, contents.lead, figures.volume.lead, id),
      generation: 1,
      labelsDigest: '',
      labelsSeen: 0,
      figures,
    };
    this.dataWindows.set(due.fromUs, window);
    return { monitor: this.monitor, window, findings, sketch, versionId };
  }

  private volumesBefore({ fromUs }: Due): Promise<number[]> {
    const { ctx, project, monitor } = this;
    return volumesBefore(ctx.db, ctx.workspace, { project, monitor: monitor.name, windowUs: monitor.windowUs }, fromUs);
  }

  private async closePerformance(due: Due): Promise<Closing> {
    const rows = (await this.labels.take(due)) ?? new Map<string, JoinedRows>();
    const closing = await this.performance(due, rows, 1, this.joinSeen);
    this.current = { ...this.current, performanceNextUs: due.toUs };
    return closing;
  }

  private async performance(due: Due, byVersion: Labels, generation: number, labelsSeen: number): Promise<Closing> {
    const of = { project: this.project, monitor: this.name, kind: 'data' as const, fromUs: due.fromUs };
    const held = this.dataWindows.get(due.fromUs) ?? (await findLatest(this.ctx.db, this.ctx.workspace, of));
    // Where the length of windows was changed in between, that of the data is of other records.
    const data = held?.toUs === due.toUs ? held : undefined;
    const lead = data && data.lead !== '' ? data.lead : (mostOf(byVersion) ?? '');
    const { baseline, id, versionId, without } = await this.baselines.of(lead, due);
    const rows = byVersion.get(lead);
    const before = await listWindows(
      this.ctx.db,
      this.ctx.workspace,
      { project: this.project, monitor: this.name, kind: 'performance', toUs: due.fromUs, latestOnly: true, lead },
      { limit: this.monitor.trailing * 2, order: 'desc' },
    );
    const { figures, findings } = await performanceFigures({
      monitor: this.monitor,
      rows,
      baseline,
      without,
      data: data ? (data.figures as DataFigures) : null,
      // Windows that made the baseline say nothing of a change since.
      before: before.filter((w) => w.n > 0 && !this.beforeBaseline(w)).slice(0, Math.max(0, this.monitor.trailing - 1)),
    });
    const n = rows?.labels.length ?? 0;
    const window = { ...this.windowOf(due, lead, n, id), generation, labelsDigest: rows?.digest ?? '', labelsSeen, figures };
    return { monitor: this.monitor, window, findings, sketch: null, versionId };
  }

  private joins({ fromUs, toUs }: Span): Promise<JoinedFile[]> {
    return joinedFiles(this.ctx, { project: this.project, monitor: this.name, fromUs, toUs: toUs - 1 });
  }

  private windowOf(due: Due, lead: string, n: number, baseline: string | null) {
    return {
      project: this.project,
      monitor: this.name,
      kind: due.kind,
      fromUs: due.fromUs,
      toUs: due.toUs,
      n,
      lead,
      baseline,
      closedUs: due.dueUs,
    };
  }

  relabelled = async function* (this: Run): AsyncGenerator<Closing> {
    const spans = await monitors.listRelabels(this.ctx.db, this.ctx.workspace, this.project, this.name);
    if (spans.length === 0) return;
    const windows = (await Promise.all(spans.map((s) => this.closedWithin(s.fromUs, s.toUs)))).flat();
    const stale: { window: Window; seen: number }[] = [];
    for (const window of new Map(windows.map((w) => [w.fromUs, w])).values()) {
      // Labels that were joined in the tick that closed it are in it.
      const seen = newestOf(await this.joins(window));
      if (seen > window.labelsSeen) stale.push({ window, seen });
    }
    for (const some of together(stale.map((s) => s.window))) {
      const read = await this.readWithDue(some);
      for (const window of some) {
        const { seen } = stale.find((s) => s.window === window)!;
        const closing = await this.regenerate(window, read.get(window.fromUs) ?? new Map<string, JoinedRows>(), seen);
        if (closing) yield closing;
      }
    }
    const all = spans.map((s) => s.id);
    await this.ctx.tx((tx) => monitors.deleteRelabels(tx.db, tx.workspace, all));
  };

  /** Windows whose labels came late, and in the same run those that close after them if they stand beside them. */
  private async readWithDue(windows: readonly Window[]): Promise<Map<number, Labels>> {
    const due = this.nextOf('performance');
    const next = due.dueUs <= this.nowUs && !this.labels.holds(due) ? this.batchFrom(due) : [];
    const first = windows.reduce((least, w) => (w.fromUs < least.fromUs ? w : least));
    const last = windows.reduce((most, w) => (w.fromUs > most.fromUs ? w : most));
    const beside = next.length === 1 && areNear(first, next[0]!) && windows.reduce((sum, w) => sum + w.n, 0) <= BATCH_RECORDS / 4;
    if (beside) this.joinSeen = newestOf(await this.joins(next[0]!));
    const read = await readJoined(this.ctx, { project: this.project, monitor: this.monitor }, [first, beside ? next[0]! : last]);
    if (beside) this.labels.hold({ windows: read, untilUs: next[0]!.toUs });
    return read;
  }

  private closedWithin(fromUs: number, toUs: number): Promise<Window[]> {
    const filter = { project: this.project, monitor: this.name, kind: 'performance' as const, latestOnly: true };
    return listWindows(this.ctx.db, this.ctx.workspace, { ...filter, fromUs, toUs: Math.max(toUs, fromUs + 1) }, { limit: 100_000 });
  }

  /** undefined if the labels of the window are what they were. */
  private async regenerate(window: Window, rows: Labels, seen: number): Promise<Closing | undefined> {
    const lead = window.lead === '' ? (mostOf(rows) ?? '') : window.lead;
    if ((rows.get(lead)?.digest ?? '') === window.labelsDigest) return undefined;
    const due: Due = { kind: 'performance', fromUs: window.fromUs, toUs: window.toUs, dueUs: Math.max(window.closedUs, this.nowUs) };
    return this.performance(due, rows, window.generation + 1, seen);
  }
}
