import { test } from 'node:test';
import { campaign } from '../crash/campaign.ts';

const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));

test('What was acknowledged survives more than 200 kills, at every named place and of any process', { timeout: 1_800_000 }, (t) =>
  campaign(t, { seed, random: 165, placed: 'all' }),
);
