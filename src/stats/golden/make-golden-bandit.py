"""Makes golden-bandit.json: chances to be the best by quadrature, and off-policy values with cluster-robust errors.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install numpy==2.4.6 scipy==1.17.1
    /tmp/golden/bin/python src/stats/golden/make-golden-bandit.py

The versions that made the file are in it.
"""

import json
import platform
from pathlib import Path

import numpy as np
import scipy
from scipy import integrate, optimize, stats


def seq(n, a, b, c=0):
    """x_i = ((a i + c) mod b) / b for i = 0..n-1: exact in doubles, and easy to repeat."""
    return np.array([((a * i + c) % b) / b for i in range(n)])


def chances(arms):
    """P(arm i is the largest) = integral of its density by the others' distribution functions."""
    low, high = min(a.ppf(1e-12) for a in arms), max(a.ppf(1 - 1e-12) for a in arms)
    grid = np.linspace(low, high, 400_001)
    found = []
    for i, arm in enumerate(arms):
        others = np.prod([a.cdf(grid) for k, a in enumerate(arms) if k != i], axis=0)
        found.append(float(integrate.simpson(arm.pdf(grid) * others, x=grid)))
    return found


def beta(successes, failures):
    return {"successes": successes, "failures": failures}


def beta_case(*arms):
    return {"arms": list(arms), "chances": chances([stats.beta(1 + a["successes"], 1 + a["failures"]) for a in arms])}


def gaussian_case(*arms):
    return {
        "arms": [{"n": n, "mean": m, "variance": v} for n, m, v in arms],
        "chances": chances([stats.norm(m, np.sqrt(v / n)) for n, m, v in arms]),
    }


def bounded(chance, floor, cap):
    """What is cut off goes to the others in proportion: share_i = min(cap, t x_i) with the t at which they sum to 1."""
    x = floor + (1 - len(chance) * floor) * np.array(chance)
    if x.max() <= cap:
        shares = x
    else:
        t = optimize.brentq(lambda t: np.minimum(cap, t * x).sum() - 1, 0.5, 1e6)
        shares = np.minimum(cap, t * x)
    return {"chances": list(chance), "floor": floor, "cap": cap, "shares": [float(s) for s in shares]}


def off_policy(reward, arm, propensity, unit, of):
    """Horvitz-Thompson and Hajek values of an arm; errors from the units' influence, with u / (u - 1)."""
    n = len(reward)
    mine = arm == of
    w = np.where(mine, 1 / propensity, 0)
    units = np.unique(unit)
    by_unit = lambda v: np.array([v[unit == u].sum() for u in units])
    big_w, big_r, big_n = by_unit(w), by_unit(w * reward), by_unit(np.ones(n))
    factor = len(units) / (len(units) - 1)
    ht = big_r.sum() / n
    hajek = big_r.sum() / big_w.sum()
    return {
        "ips": {"value": ht, "standardError": float(np.sqrt(factor * ((big_r - ht * big_n) ** 2).sum()) / n)},
        "snips": {"value": hajek, "standardError": float(np.sqrt(factor * ((big_r - hajek * big_w) ** 2).sum()) / big_w.sum())},
        "effectiveSize": float(w[mine].sum() ** 2 / (w[mine] ** 2).sum()),
        "influence": ((big_r - hajek * big_w) / big_w.sum()).tolist(),
        "factor": factor,
    }


n = 240
rewards = seq(n, 31337, 65537, 7)
arms = (np.arange(n) * 7 % 5 > 2).astype(int)
propensities = np.where(arms == 1, 0.3 + 0.4 * (np.arange(n) >= 120), 0.7 - 0.4 * (np.arange(n) >= 120))
units = np.arange(n) * 11 % 90
control, arm = (off_policy(rewards, arms, propensities, units, k) for k in (0, 1))
difference = arm["snips"]["value"] - control["snips"]["value"]
error = float(np.sqrt(arm["factor"] * ((np.array(arm["influence"]) - np.array(control["influence"])) ** 2).sum()))

ages = np.arange(50.0)
weights = 0.5 ** (ages / 10)
values = seq(50, 7919, 10007)
mean = (weights * values).sum() / weights.sum()
kish = weights.sum() ** 2 / (weights**2).sum()
spread = (weights * (values - mean) ** 2).sum() / weights.sum() * kish / (kish - 1)

for side in (control, arm):
    del side["influence"], side["factor"]
golden = {
    "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    "beta": [
        beta_case(beta(50, 50), beta(52, 48)),
        beta_case(beta(10, 90), beta(14, 86), beta(9, 41)),
        beta_case(beta(0, 30), beta(1, 29)),
        beta_case(beta(2.5, 7.25), beta(4.75, 6.5)),
    ],
    "gaussian": [gaussian_case((100, 1.0, 4.0), (120, 1.2, 9.0)), gaussian_case((50, 0.1, 1.0), (60, 0.2, 1.5), (40, 0.05, 0.5))],
    "bounded": [
        bounded([0.98, 0.02, 0.0], 0.05, 0.7),
        bounded([0.6, 0.4], 0.1, 1),
        bounded([0.5, 0.48, 0.02], 0.01, 0.4),
    ],
    "discounted": {"n": float(kish), "mean": float(mean), "variance": float(spread)},
    "control": control,
    "arm": arm,
    "difference": {"difference": difference, "standardError": error},
}
Path(__file__).with_name("golden-bandit.json").write_text(json.dumps(golden, indent=1) + "\n")
