// Pipeline files of forges: plan, the project's tests, training on a sample, gate, report. Each script is plain shell
// that runs anywhere; the forge adds when it runs, its secrets by reference, and where the report goes. Pure.
import { stringify } from 'yaml';

export type Forge = 'github' | 'gitlab';

export interface CiInput {
  readonly pipeline: string;
  /** Parameters that make the training a sample. */
  readonly sample: Readonly<Record<string, string>>;
  /** What runs the project's tests. */
  readonly test: string;
  /** What it needs of Python; null = it is no Python. */
  readonly python: { readonly version: string; readonly locks: readonly string[] } | null;
  /** Of Gyre, to install. */
  readonly version: string;
}

/** One word of a shell, whatever is in it. */
export const shellWord = (text: string): string => (/^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

export interface Scripts {
  readonly install: string;
  readonly plan: string;
  /** Packages that the tests import; null = none. */
  readonly packages: string | null;
  readonly test: string;
  readonly train: string;
  readonly report: string;
  readonly champion: string;
}

/** What the jobs of each forge run. `gyre` reads GYRE_URL, GYRE_TOKEN and GYRE_WORKSPACE. */
export function scriptsOf({ pipeline, sample, test, python, version }: CiInput): Scripts {
  const params = Object.entries(sample).map(([name, value]) => ` --param ${shellWord(`${name}=${value}`)}`);
  return {
    install: `npm install --global gyre-mlops@${version}`,
    plan: 'gyre plan',
    packages:
      python === null
        ? null
        : [...python.locks.map((lock) => `-r ${shellWord(lock)}`), 'pytest']
            .map((what) => `python3 -m pip install --quiet ${what}`)
            .join('\n'),
    test,
    train: [
      `gyre run ${shellWord(pipeline)}${params.join('')} --json > gyre-run.json`,
      `node -p "JSON.parse(require('node:fs').readFileSync('gyre-run.json', 'utf8')).id" > gyre-run-id`,
    ].join('\n'),
    report:
      'gyre report --markdown --run "$(cat gyre-run-id)" --decide --fail-on-gate --link "$GYRE_URL" --output gyre-report.md --json > gyre-report.json',
    // What is merged is what the next change is compared with: the version of this run, not the newest one, which may be of another change.
    champion: [
      `candidate="JSON.parse(require('node:fs').readFileSync('gyre-report.json', 'utf8')).candidate"`,
      'gyre models alias "$(node -p "$candidate.model")" champion "$(node -p "$candidate.number")"',
    ].join('\n'),
  };
}

export const pipelineFile = (forge: Forge, input: CiInput): { file: string; text: string } =>
  forge === 'github' ? { file: '.github/workflows/gyre.yml', text: github(input) } : { file: '.gitlab-ci.yml', text: gitlab(input) };

const head = (lines: readonly string[]): string => `${lines.map((l) => `# ${l}`).join('\n')}\n`;
// Each step is written out: not every runner knows YAML's anchors.
const yaml = (value: unknown): string => stringify(value, { lineWidth: 0, blockQuote: 'literal', aliasDuplicateObjects: false });

const sticky = [
  'marker="$(head -n 1 gyre-report.md)"',
  'export marker',
  'comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments"',
  `id="$(gh api --paginate "$comments" --jq '.[] | select(.body | startswith(env.marker)) | .id' | head -n 1)"`,
  'if [ -n "$id" ]; then',
  '  gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" --field body=@gyre-report.md > comment.json',
  'else',
  '  gh api --method POST "$comments" --field body=@gyre-report.md > comment.json',
  'fi',
].join('\n');

function github(input: CiInput): string {
  const s = scriptsOf(input);
  const checkout = { uses: 'actions/checkout@v4.2.2', with: { 'persist-credentials': false } };
  const node = { uses: 'actions/setup-node@v4.1.0', with: { 'node-version': '24' } };
  const step = (name: string, run: string, more: object = {}) => ({ name, ...more, run });
  return (
    head([
      'Made by "gyre ci init github". Set in the repository: the variables GYRE_URL and GYRE_WORKSPACE (one for changes,',
      'not the one of production), and the secret GYRE_TOKEN of a service account of that workspace.',
      'Runs of forks get no secret, so they are not trained on.',
    ]) +
    yaml({
      name: 'gyre',
      on: { pull_request: null, push: { branches: ['main'] } },
      permissions: { contents: 'read' },
      concurrency: { group: 'gyre-${{ github.ref }}', 'cancel-in-progress': "${{ github.event_name == 'pull_request' }}" },
      jobs: {
        test: {
          'runs-on': 'ubuntu-24.04',
          'timeout-minutes': 20,
          steps: [
            checkout,
            node,
            ...(input.python === null || s.packages === null
              ? []
              : [{ uses: 'actions/setup-python@v5.3.0', with: { 'python-version': input.python.version } }, step('Packages', s.packages)]),
            step('Test', s.test),
          ],
        },
        train: {
          needs: 'test',
          if: "${{ github.event_name == 'push' || github.event.pull_request.head.repo.full_name == github.repository }}",
          'runs-on': 'ubuntu-24.04',
          'timeout-minutes': 60,
          permissions: { contents: 'read', 'pull-requests': 'write' },
          env: {
            GYRE_URL: '${{ vars.GYRE_URL }}',
            GYRE_WORKSPACE: '${{ vars.GYRE_WORKSPACE }}',
            GYRE_TOKEN: '${{ secrets.GYRE_TOKEN }}',
          },
          steps: [
            checkout,
            node,
            step('Install', s.install),
            step('Plan', s.plan),
            step('Train on a sample', s.train),
            step('Gate and report', s.report),
            step('Show the report', 'cat gyre-report.md >> "$GITHUB_STEP_SUMMARY"', {
              if: "${{ !cancelled() && hashFiles('gyre-report.md') != '' }}",
            }),
            {
              name: 'Keep the report',
              if: "${{ !cancelled() && hashFiles('gyre-report.md') != '' }}",
              uses: 'actions/upload-artifact@v4.6.2',
              with: { name: 'gyre-report', path: 'gyre-report.md' },
            },
            step('Comment', sticky, {
              if: "${{ !cancelled() && github.event_name == 'pull_request' && hashFiles('gyre-report.md') != '' }}",
              env: { GH_TOKEN: '${{ github.token }}', PULL_REQUEST: '${{ github.event.pull_request.number }}' },
            }),
            step('Make it what changes are compared with', s.champion, { if: "${{ github.event_name == 'push' }}" }),
          ],
        },
      },
    })
  );
}

function gitlab(input: CiInput): string {
  const s = scriptsOf(input);
  const lines = (...scripts: string[]): string[] => scripts;
  return (
    head([
      'Made by "gyre ci init gitlab". Set under CI/CD variables: GYRE_URL, GYRE_WORKSPACE (one for changes, not the one of',
      'production) and GYRE_TOKEN, masked, of a service account of that workspace. The report is an artifact that the merge',
      'request shows.',
    ]) +
    yaml({
      stages: ['test', 'train'],
      workflow: {
        rules: [{ if: '$CI_PIPELINE_SOURCE == "merge_request_event"' }, { if: '$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH' }],
      },
      default: { image: 'node:24.11-bookworm' },
      test: {
        stage: 'test',
        timeout: '20m',
        ...(input.python === null ? {} : { image: `python:${input.python.version}-bookworm` }),
        script: lines(...(s.packages === null ? [] : [s.packages]), s.test),
      },
      train: {
        stage: 'train',
        timeout: '1h',
        interruptible: true,
        script: lines(s.install, s.plan, s.train, s.report),
        // One after the other: they share the data of one workspace.
        resource_group: 'gyre-$GYRE_WORKSPACE',
        artifacts: { when: 'always', expose_as: 'Gyre report', paths: ['gyre-report.md', 'gyre-report.json'], expire_in: '30 days' },
      },
      champion: {
        stage: 'train',
        needs: ['train'],
        rules: [{ if: '$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH' }],
        script: lines(s.install, s.champion),
      },
    })
  );
}
