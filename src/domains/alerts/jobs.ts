import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { defineJob, type Job } from '../../kernel/jobs/jobs.ts';
import { catchUp, catchUpJob, everyMinute } from './service/catch-up.ts';
import { judgeTime, judgeWindow, reconcile } from './service/judge.ts';
import { deliverJob } from './service/notify.ts';
import { signalsOf } from './service/signals.ts';

const minute = defineJob<object>({
  name: 'alerts.minute',
  timeoutMs: 300_000,
  // The next minute is the next attempt.
  retry: { limit: 0, backoffMs: 1000 },
  cron: '* * * * *',
  run: everyMinute,
});

export const alertJobs: readonly Job<never>[] = [deliverJob, catchUpJob, minute];

/** Rules are judged in the order of the events, so that two replays decide the same. */
export const alertSubscribers: readonly Subscriber[] = [
  {
    name: 'alerts',
    types: ['project-revision.applied', 'window.closed', 'watermark.passed'],
    handle: async (ctx, event) => {
      const project = event.project!;
      if (event.type === 'project-revision.applied') return reconcile(ctx, project);
      const monitor = String(event.payload.monitor);
      if (event.type === 'window.closed') {
        const window = await signalsOf(ctx, project).window(event.subject.id);
        return window && judgeWindow(ctx, project, monitor, window);
      }
      await judgeTime(ctx, project, monitor, Number(event.payload.toUs));
      await catchUp(ctx, project);
    },
  },
];
