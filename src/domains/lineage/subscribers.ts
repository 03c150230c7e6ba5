import type { Subscriber } from '../../kernel/events/subscribers.ts';
import { project } from './store.ts';

export const lineageSubscribers: readonly Subscriber[] = [{ name: 'lineage', handle: project }];
