// How Thompson sampling fares on traffic with late, repeated, corrected and missing rewards, and how often what is decided
// from its traffic is wrong. Seeded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sumsOf, type Drawn } from '../bandit/drawn.ts';
import { ips, snips, snipsDifference, varianceSequence } from '../bandit/off-policy.ts';
import { banditDefaults, nextShares, type Bandit } from '../bandit/shares.ts';
import { betaOf, discountOf, gaussianOf, type Posterior } from '../bandit/thompson.ts';
import { generator, normalOf } from './generator.ts';

const ALPHA = 0.05;

interface Options {
  readonly rounds: number;
  readonly perRound: number;
  readonly seed: number;
  /** Reward of an arm in a round. */
  readonly draw: (arm: number, round: number, random: () => number) => number;
  readonly arms: number;
  readonly kind: 'beta' | 'gaussian';
  readonly settings?: Partial<Bandit>;
  readonly halfLife?: number;
  /** Rounds until the reward of a request comes; Infinity = never. */
  readonly delay?: (value: number, random: () => number) => number;
  /** Only requests older than this many rounds count; those without a reward count as `missing` if it is given. */
  readonly mature?: number;
  readonly missing?: number;
  /** From this round on the weights are these, whatever comes. */
  readonly frozen?: { readonly from: number; readonly shares: readonly number[] };
}

type Row = Drawn & { readonly round: number; readonly comes: number };

function bandit(o: Options) {
  const random = generator(o.seed);
  const settings = { ...banditDefaults, draws: 500, fewest: 30, ...o.settings };
  const rows: Row[] = [];
  const history: (readonly number[])[] = [];
  let shares: readonly number[] = Array.from({ length: o.arms }, () => 1 / o.arms);
  for (let round = 0; round < o.rounds; round++) {
    history.push(shares);
    for (let i = 0; i < o.perRound; i++) {
      let u = random();
      const arm = Math.max(
        0,
        shares.findIndex((share) => (u -= share) < 0),
      );
      const reward = o.draw(arm, round, random);
      rows.push({ unit: `${round}.${i}`, arm, propensity: shares[arm]!, reward, round, comes: round + (o.delay?.(reward, random) ?? 0) });
    }
    if (o.frozen && round + 1 >= o.frozen.from) shares = o.frozen.shares;
    else shares = nextShares(...posteriors(o, rows, round), settings, o.seed * 1000 + round)?.shares ?? shares;
  }
  return { rows, history, shares };
}

function posteriors(o: Options, rows: readonly Row[], now: number): [Posterior[], number[]] {
  const sums = Array.from({ length: o.arms }, () => ({ n: 0, weight: 0, squaredWeight: 0, reward: 0, squaredReward: 0 }));
  for (const { arm, round, comes, reward } of rows) {
    if (round > now - (o.mature ?? 0) || (comes > now && o.missing === undefined)) continue;
    const [own, value, w] = [sums[arm]!, comes > now ? o.missing! : reward, discountOf(now - round, o.halfLife ?? null)];
    own.n++;
    own.weight += w;
    own.squaredWeight += w * w;
    own.reward += w * value;
    own.squaredReward += w * value * value;
  }
  return [sums.map(o.kind === 'beta' ? betaOf : gaussianOf), sums.map((s) => s.n)];
}

const coin =
  (rates: readonly number[]): Options['draw'] =>
  (arm, _round, random) =>
    random() < rates[arm]! ? 1 : 0;
const many = <T>(n: number, of: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => of(i));
const share = (found: readonly boolean[]): number => found.filter(Boolean).length / found.length;
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

test('regret is far below that of a fixed split, the best arm is found, and no arm falls below the floor or above the cap', () => {
  const rates = [0.1, 0.12, 0.25];
  const runs = many(20, (i) =>
    bandit({ rounds: 25, perRound: 200, seed: i + 1, arms: 3, kind: 'beta', draw: coin(rates), settings: { cap: 0.85 } }),
  );
  const regret = mean(runs.map(({ rows }) => mean(rows.map(({ arm }) => 0.25 - rates[arm]!))));
  const fixed = 0.25 - mean(rates);
  assert.ok(regret < 0.45 * fixed, `${regret} a request, ${fixed} with a fixed split`);
  assert.ok(runs.filter(({ shares }) => shares[2]! > 0.7).length >= 19);
  for (const { history } of runs)
    for (const shares of history) {
      assert.ok(Math.min(...shares) >= 0.05 - 1e-9 && Math.max(...shares) <= 0.85 + 1e-9, String(shares));
      assert.ok(Math.abs(shares.reduce((a, b) => a + b, 0) - 1) < 1e-9);
    }
});

test('Gaussian rewards: the arm with the higher mean is found, whatever their scale', () => {
  const runs = many(20, (i) =>
    bandit({
      ...{ rounds: 20, perRound: 200, seed: i + 50, arms: 2, kind: 'gaussian' as const },
      draw: (arm, _round, random) => 300 - 20 * arm + 60 * normalOf(random),
    }),
  );
  assert.ok(runs.filter(({ shares }) => shares[0]! > 0.8).length >= 19);
});

test('with half-lives a bandit follows arms that change places, without them it stays with the old one for long', () => {
  const changing: Options['draw'] = (arm, round, random) => (random() < (arm === 0 ? (round < 30 ? 0.3 : 0.1) : 0.2) ? 1 : 0);
  const last = (halfLife?: number): number =>
    mean(
      many(12, (i) =>
        mean(
          bandit({
            ...{ rounds: 45, perRound: 150, seed: i + 90, arms: 2, kind: 'beta', draw: changing },
            ...(halfLife === undefined ? {} : { halfLife }),
          })
            .history.slice(-5)
            .map((s) => s[1]!),
        ),
      ),
    );
  const [with4, without] = [last(4), last()];
  assert.ok(with4 > 0.8 && without < with4 - 0.2, `${with4} with, ${without} without`);
});

test('rewards that come late only if they are good mislead a bandit that does not wait, and not one that does', () => {
  // A success is told three rounds late, a failure at once; arm 1 is the better one by its successes alone.
  const late: Options['delay'] = (value) => (value === 1 ? 3 : 0);
  const of = (mature: number): number =>
    mean(
      many(12, (i) => {
        const { rows } = bandit({
          ...{ rounds: 8, perRound: 200, seed: i + 130, arms: 2, kind: 'beta', draw: coin([0.5, 0.5]), delay: late, mature },
        });
        const [known] = posteriors(
          { rounds: 8, perRound: 200, seed: 1, arms: 2, kind: 'beta', draw: coin([]), mature, delay: late },
          rows,
          7,
        );
        return mean(known.map((p) => (p.kind === 'beta' ? p.successes / (p.successes + p.failures) : 0)));
      }),
    );
  const [waits, not] = [of(3), of(0)];
  assert.ok(Math.abs(waits - 0.5) < 0.012, `${waits} of 0.5`);
  assert.ok(not < 0.46, `${not} without waiting`);
});

test('a reward that never comes counts as what the plan says, once it had time to come', () => {
  // Only successes are ever told.
  const runs = many(12, (i) =>
    bandit({
      ...{ rounds: 15, perRound: 200, seed: i + 170, arms: 2, kind: 'beta' as const, draw: coin([0.1, 0.2]), mature: 1, missing: 0 },
      delay: (value) => (value === 1 ? 0 : Infinity),
    }),
  );
  assert.ok(runs.filter(({ shares }) => shares[1]! > 0.7).length >= 11);
});

test('the kill switch holds: whatever comes, the weights stay', () => {
  const { history } = bandit({
    ...{ rounds: 20, perRound: 200, seed: 7, arms: 2, kind: 'beta', draw: coin([0.1, 0.5]) },
    frozen: { from: 10, shares: [0.6, 0.4] },
  });
  assert.ok(history[9]![1]! > 0.9);
  assert.ok(history.slice(10).every((s) => s[0] === 0.6 && s[1] === 0.4));
});

test('the same seed gives the same weights, and another one others', () => {
  const of = (seed: number) =>
    nextShares(
      [0.1, 0.12].map((p) => betaOf({ ...flat, reward: 300 * p })),
      [300, 300],
      banditDefaults,
      seed,
    )!;
  assert.deepEqual(of(3), of(3));
  assert.notDeepEqual(of(3), of(4));
  assert.equal(
    nextShares(
      [0.1, 0.1].map((p) => betaOf({ ...flat, reward: 300 * p })),
      [300, 99],
      banditDefaults,
      1,
    ),
    null,
  );
});
const flat = { n: 300, weight: 300, squaredWeight: 300, squaredReward: 0 };

test('plain means of a bandit are too low; by propensity they are right, and their intervals cover the truth', () => {
  const rates = [0.3, 0.3];
  const found = many(400, (i) => {
    const { rows } = bandit({ rounds: 6, perRound: 80, seed: i + 500, arms: 2, kind: 'beta', draw: coin(rates), settings: { fewest: 10 } });
    const { arms, all } = sumsOf(rows, 2);
    const [weighted, plain] = [
      arms.map((a) => ({ snips: snips(a, all)!, ips: ips(a, all)! })),
      [0, 1].map((arm) => mean(rows.filter((r) => r.arm === arm).map((r) => r.reward))),
    ];
    return { weighted, plain };
  });
  const bias = (values: readonly number[]): number => mean(values) - 0.3;
  const plain = bias(found.flatMap((f) => f.plain));
  const [byIps, bySnips] = [
    bias(found.flatMap((f) => f.weighted.map((w) => w.ips.value))),
    bias(found.flatMap((f) => f.weighted.map((w) => w.snips.value))),
  ];
  // 800 means of some 0.03 standard deviation each: three standard errors are 0.0035.
  assert.ok(plain < -0.004, `plain ${plain}`);
  assert.ok(Math.abs(byIps) < 0.006 && Math.abs(bySnips) < 0.004, `IPS ${byIps}, SNIPS ${bySnips}`);
  const coverage = share(found.flatMap((f) => f.weighted.map(({ snips: s }) => Math.abs(s.value - 0.3) <= 1.96 * s.standardError)));
  // 800 intervals of 95 %: four standard errors below it are 0.92.
  assert.ok(coverage >= 0.92, `coverage ${coverage}`);
});

/** Whether the sequence calls a winner at any look while the bandit moves the shares. */
function calls(rates: readonly number[], seed: number, rounds = 25, perRound = 150): boolean {
  const { rows } = bandit({ rounds, perRound, seed, arms: 2, kind: 'beta', draw: coin(rates) });
  for (let look = 3; look <= rounds; look += 2) {
    const seen = rows.filter((r) => r.round < look);
    const { arms, all, cross } = sumsOf(seen, 2);
    const d = snipsDifference(arms[0]!, arms[1]!, cross[1]!, all);
    if (!d || arms.some((a) => a.n < 100)) continue;
    // By what the plan says of it: rewards of such a variance, and equal shares to begin with.
    const expected = rounds * perRound * 0.25 * 4;
    if (varianceSequence({ ...d, n: all.requests }, ALPHA, expected).pValue <= ALPHA) return true;
  }
  return false;
}

test('at twelve looks at a bandit of equal arms the chance of any false winner is below alpha, and a real one is found', () => {
  const trials = 250;
  const wrong = share(many(trials, (i) => calls([0.4, 0.4], i + 2000)));
  assert.ok(wrong <= ALPHA + 4 * Math.sqrt((ALPHA * (1 - ALPHA)) / trials), `${wrong} false winners`);
  const right = share(many(60, (i) => calls([0.3, 0.45], i + 4000)));
  assert.ok(right >= 0.8, `${right} found`);
});

test('the sequence covers the truth at all looks, for arms that differ and shares that moved far', () => {
  const trials = 150;
  const covered = share(
    many(trials, (i) => {
      const { rows } = bandit({ rounds: 20, perRound: 150, seed: i + 6000, arms: 2, kind: 'beta', draw: coin([0.3, 0.5]) });
      return many(9, (k) => 2 * k + 3).every((look) => {
        const { arms, all, cross } = sumsOf(
          rows.filter((r) => r.round < look),
          2,
        );
        if (arms.some((a) => a.n < 100)) return true;
        const d = snipsDifference(arms[0]!, arms[1]!, cross[1]!, all)!;
        const { low, high } = varianceSequence({ ...d, n: all.requests }, ALPHA, 3000);
        return low <= 0.2 && high >= 0.2;
      });
    }),
  );
  assert.ok(covered >= 1 - ALPHA - 4 * Math.sqrt((ALPHA * (1 - ALPHA)) / trials), `${covered}`);
});
