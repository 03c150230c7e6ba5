// The parts of the answers that the journey looks at.
import type { Served } from '../leak/oracle.ts';

export interface Version {
  readonly id: string;
  readonly number: number;
  readonly state: string;
  readonly rows: number;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}
export interface Pushed {
  readonly created: boolean;
  readonly version: Version;
  readonly sentBytes: number;
}
export interface Run {
  readonly id: string;
  readonly state: string;
  readonly wallMs: number;
  readonly steps: readonly {
    readonly name: string;
    readonly state: string;
    readonly cached: boolean;
    readonly trackingRun: string | null;
    readonly outputs: Readonly<Record<string, { readonly kind: string; readonly id?: string; readonly rows?: number }>> | null;
    readonly explanation: readonly { readonly part: string; readonly name: string; readonly change: string }[] | null;
  }[];
}
export interface Graph {
  readonly nodes: readonly { readonly kind: string; readonly id: string; readonly label: string }[];
}
export interface Why {
  readonly prediction: Served & { readonly endpoint: string; readonly modelVersion: string; readonly score: number };
  readonly graph: Graph;
}

export const kindsIn = (graph: Graph): Set<string> => new Set(graph.nodes.map((n) => n.kind));
