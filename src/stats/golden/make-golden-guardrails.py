"""Makes golden-guardrails.json: what SciPy says of the e-processes that a release is judged by.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install scipy==1.15.3
    /tmp/golden/bin/python src/stats/golden/make-golden-guardrails.py

Likelihoods and mixtures by scipy.special, largest likelihoods by scipy.optimize over the whole region that a null
hypothesis allows (not along its border, as the program does), bounds by root finding. The versions are in the file.
"""

import json
import math
import platform
from pathlib import Path

import numpy as np
import scipy
from scipy.optimize import brentq, minimize_scalar
from scipy.special import betaln, gammaln, xlogy, xlog1py


def log_above(events, n, bound):
    mixture = betaln(events + 0.5, n - events + 0.5) - betaln(0.5, 0.5)
    p = min(bound, events / n)
    return mixture - (xlogy(events, p) + xlog1py(n - events, -p))


def share_above(events, n, alpha, bound):
    low = brentq(lambda b: log_above(events, n, b) + math.log(alpha), 1e-12, events / n, xtol=1e-15)
    return {"events": events, "n": n, "alpha": alpha, "bound": bound, "low": low, "p": min(1, math.exp(-log_above(events, n, bound)))}


def largest_paired(b, c, n, d):
    """Largest trinomial likelihood with P(b) - P(c) <= d: for each P(c) the best P(b) is known, and P(c) is searched for."""

    def minus(q):
        p = min((1 - q) * b / (n - c) if n > c else 0, q + d, 1 - q)
        if p < 0:
            return math.inf
        return -(xlogy(b, p) + xlogy(c, q) + xlogy(n - b - c, max(0, 1 - p - q)))

    found = minimize_scalar(minus, bounds=(max(0, -d), 1), method="bounded", options={"xatol": 1e-14})
    return -found.fun


def paired(b, c, n, alpha, margin):
    mixture = sum(gammaln(k + 0.5) - gammaln(0.5) for k in (b, c, n - b - c)) + gammaln(1.5) - gammaln(n + 1.5)
    evidence = lambda d: mixture - largest_paired(b, c, n, d)
    low = brentq(lambda d: evidence(d) + math.log(alpha), -0.9, (b - c) / n, xtol=1e-12)
    p = math.exp(-log_above(b, b + c, 0.5)) if margin == 0 else math.exp(-evidence(margin))
    return {"pairs": [b, c, n], "alpha": alpha, "margin": margin, "low": max(margin, low) if p <= alpha else low, "p": min(1, p)}


def shift(moved):
    ratios = [math.exp(betaln(b + 0.5, c + 0.5) - betaln(0.5, 0.5) + (b + c) * math.log(2)) for b, c in moved]
    return {"moved": moved, "p": min(1, 1 / np.mean(ratios))}


def slower(candidate, other, q, margin):
    """Over a fine grid of moments t, with the counts that speak least for each."""
    width = 1.02
    steps = math.ceil(math.log(1 + margin) / math.log(width))
    n, m = sum(c for _, c in candidate), sum(c for _, c in other)
    least = math.inf
    for t in np.arange(-50, 800, 0.25):
        above = sum(c for b, c in candidate if b >= t)
        below = sum(c for b, c in other if b + steps + 1 <= t)
        least = min(least, log_above(above, n, 1 - q) + log_above(below, m, q))
    return {"candidate": candidate, "other": other, "q": q, "margin": margin, "p": min(1, math.exp(-least))}


golden = {
    "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    "shares": [
        share_above(30, 200, 0.05, 0.1),
        share_above(12, 40, 0.01, 0.1),
        share_above(500, 4000, 0.025, 0.1),
        share_above(3, 500, 0.05, 0.1),
    ],
    "paired": [
        paired(15, 1, 300, 0.05, 0),
        paired(40, 20, 1000, 0.01, 0),
        paired(60, 10, 1000, 0.025, 0.02),
        paired(9, 2, 5000, 0.05, 0),
        paired(150, 20, 2000, 0.01, 0.02),
    ],
    "shifts": [shift([[40, 10], [5, 30], [12, 14]]), shift([[12, 10], [9, 11]]), shift([[3, 0], [0, 3]])],
    "slower": [
        slower([[300, 200], [330, 60], [360, 40]], [[300, 2600], [330, 100]], 0.95, 0.5),
        slower([[300, 250], [340, 50]], [[300, 2500], [340, 200]], 0.95, 0.2),
        slower([[320, 400], [330, 600]], [[300, 500], [310, 500]], 0.5, 0.1),
    ],
}
Path(__file__).with_name("golden-guardrails.json").write_text(json.dumps(golden, indent=1) + "\n")
