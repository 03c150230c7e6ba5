// The one place that sees every domain: who offers which routes and jobs, and who listens to what.
import type { Subscriber } from '../kernel/events/subscribers.ts';
import type { AnyRoute } from '../kernel/http/route.ts';
import type { Job } from '../kernel/jobs/jobs.ts';

export const routes: readonly AnyRoute[] = [];

export const jobCatalogue: readonly Job<never>[] = [];

export const subscribers: readonly Subscriber[] = [];
