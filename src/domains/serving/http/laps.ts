// What a request spent its time on, stage after stage: each lap ends one stage and begins the next.
import type { Stage, VariantMetrics } from '../plane/serving-metrics.ts';

export class Laps {
  private at: number;
  private readonly began: number;
  /** Milliseconds by stage. */
  parse = 0;
  features = 0;
  queue = 0;
  model = 0;
  log = 0;
  serialise = 0;

  /** Of whoever answered. */
  metrics: VariantMetrics | undefined;

  /** Requests whose model and log were one piece of work in this thread; 0 if the model runs elsewhere. */
  share = 0;

  constructor(at: number) {
    this.at = this.began = at;
  }

  end(stage: Stage, now: number): void {
    this[stage] += now - this.at;
    this.at = now;
  }

  totalMs(): number {
    return this.at - this.began;
  }

  /** What it took of this thread. */
  ownMs(): number {
    return this.parse + this.features + this.serialise + (this.share === 0 ? 0 : (this.model + this.log) / this.share);
  }

  /** As the header Server-Timing has it, in milliseconds; a stage that there was not is left out. */
  header(): string {
    let text = `total;dur=${rounded(this.totalMs())}`;
    if (this.parse > 0) text += `, parse;dur=${rounded(this.parse)}`;
    if (this.features > 0) text += `, features;dur=${rounded(this.features)}`;
    if (this.queue > 0) text += `, queue;dur=${rounded(this.queue)}`;
    if (this.model > 0) text += `, model;dur=${rounded(this.model)}`;
    if (this.log > 0) text += `, log;dur=${rounded(this.log)}`;
    if (this.serialise > 0) text += `, serialise;dur=${rounded(this.serialise)}`;
    return text;
  }
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;
