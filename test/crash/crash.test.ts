import { test } from 'node:test';
import { campaign } from './campaign.ts';

const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));

test('What was acknowledged survives 20 kills of any process, exactly once', { timeout: 420_000 }, (t) =>
  campaign(t, { seed, random: 10, placed: 10 }),
);
