// The files of a project that has just begun: small, and it runs as it is.

/** A folder's name as a project can have it: lowercase letters, digits and "-", a letter first. */
export function projectNameFor(folder: string): string {
  const plain = folder
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return (/^[a-z]/.test(plain) ? plain : `project-${plain}`).slice(0, 63).replace(/-$/, '');
}

/** File names and texts; every one of them works unchanged with "gyre apply" and "gyre run train". */
export const starter = (name: string): Readonly<Record<string, string>> => ({
  'gyre.yaml': `# What Gyre knows of this project. The reference of every key: docs/reference/gyre-yaml.
project: ${name}
code: [python/**, features/**]

# Tables, by their files. A push makes an immutable version; only new bytes travel.
# datasets:
#   orders:
#     source: data/orders/*.parquet
#     key: [order_id]
#     occurred_at: created_at
#     known_at: created_at + interval 1 hour

# Packages of the steps, with hashes: uv pip compile --generate-hashes python/requirements.in -o python/requirements.lock
# environments:
#   training: { lock: python/requirements.lock }

pipelines:
  train:
    params: { rounds: 20 }
    steps:
      fit:
        run: python3 python/train.py --rounds $rounds
        code: [python/*.py]
        out: { model: folder }
`,
  'python/train.py': `"""A first step: what it writes under out/model is kept, and run again only if something it reads changes."""

import argparse
import json
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=20)
args = parser.parse_args()

estimate = 1.0
for number in range(args.rounds):
    estimate = (estimate + 2 / estimate) / 2
    print(f"round {number + 1}: {estimate:.6f}")

folder = pathlib.Path("out/model")
folder.mkdir(parents=True, exist_ok=True)
(folder / "model.json").write_text(json.dumps({"square_root_of_two": estimate}))
`,
  '.gitignore': `.gyre/\n__pycache__/\n`,
});
