"""Makes golden-trial.json: what statsmodels and SciPy say of sample sizes, differences and corrections.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install scipy==1.15.3 statsmodels==0.15.0
    /tmp/golden/bin/python src/stats/golden/make-golden-trial.py

statsmodels is not among the packages of the tests; the versions that made the file are in it.
"""

import json
import math
import platform
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportions_ztest,
    samplesize_proportions_2indep_onetail,
)


def seq(n, a, b, c=0):
    """x_i = ((a i + c) mod b) / b for i = 0..n-1: exact in doubles, and easy to repeat."""
    return np.array([((a * i + c) % b) / b for i in range(n)])


def shares(k1, n1, k2, n2, alpha):
    newcombe = confint_proportions_2indep(k2, n2, k1, n1, method="newcomb", compare="diff", alpha=alpha)
    wald = confint_proportions_2indep(k2, n2, k1, n1, method="wald", compare="diff", alpha=alpha)
    p = proportions_ztest([k2, k1], [n2, n1])[1]
    return {"control": [k1, n1], "arm": [k2, n2], "alpha": alpha, "newcombe": list(newcombe), "wald": list(wald), "p": p}


def welch(control, arm, alpha):
    found = stats.ttest_ind(arm, control, equal_var=False)
    low, high = found.confidence_interval(1 - alpha)
    return {"alpha": alpha, "difference": arm.mean() - control.mean(), "low": low, "high": high, "p": found.pvalue}


def share_size(p, effect, alpha, power, ratio=1):
    """Units of the control; `ratio` is control / arm."""
    arm = samplesize_proportions_2indep_onetail(effect, p, power, ratio=1 / ratio, alpha=alpha, alternative="two-sided")
    return {"baseline": p, "effect": effect, "alpha": alpha, "power": power, "control": float(arm)}


def mean_size(d, alpha, power, ratio=1):
    """Units of the control; `ratio` is arm / control."""
    return {"d": d, "alpha": alpha, "power": power, "ratio": ratio,
            "control": float(TTestIndPower().solve_power(d, alpha=alpha, power=power, ratio=ratio))}  # fmt: skip


def adjusted_by_regression(x, y, z, w):
    """The analysis of covariance that CUPED is: one slope, pooled within the arms."""
    before, after = np.concatenate([x, z]), np.concatenate([y, w])
    arm = np.concatenate([np.zeros(len(x)), np.ones(len(z))])
    design = np.column_stack([np.ones(len(after)), arm, before])
    coefficients = np.linalg.lstsq(design, after, rcond=None)[0]
    return {"difference": coefficients[1], "theta": coefficients[2]}


x, z = seq(400, 7919, 10007), seq(300, 104729, 100003, 13)
y, w = 2 * x + seq(400, 31337, 65537, 7), 2 * z + 0.1 + seq(300, 15485863, 32452843, 5)
denominators = 1 + np.floor(4 * seq(400, 31337, 65537, 7))
numerators = denominators * x
ratio = numerators.mean() / denominators.mean()
residual = (numerators - ratio * denominators) / denominators.mean()
p_values = [0.01, 0.04, 0.03, 0.005, 0.2]
golden = {
    "versions": {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "statsmodels": statsmodels.__version__,
    },
    "shares": [
        shares(56, 70, 48, 80, 0.05),
        shares(9, 10, 3, 10, 0.05),
        shares(0, 20, 10, 20, 0.01),
        shares(100, 1000, 130, 1000, 0.1),
        shares(500, 10_000, 560, 10_050, 0.05),
    ],
    "welch": [welch(y, w, 0.05), welch(x, z, 0.01), welch(x[:5], z[:4], 0.1)],
    "shareSizes": [share_size(0.1, 0.02, 0.05, 0.8), share_size(0.5, -0.05, 0.01, 0.9), share_size(0.02, 0.004, 0.025, 0.8)],
    "meanSizes": [mean_size(0.2, 0.05, 0.8), mean_size(0.5, 0.01, 0.9), mean_size(0.05, 0.05 / 3, 0.8), mean_size(0.3, 0.05, 0.8, 0.5)],
    "corrections": {
        "p": p_values,
        "holm": list(multipletests(p_values, method="holm")[1]),
        "benjaminiHochberg": list(multipletests(p_values, method="fdr_bh")[1]),
    },
    "mismatch": [
        {"counts": counts, "shares": share, "p": stats.chisquare(counts, np.array(share) * sum(counts)).pvalue}
        for counts, share in (([10_000, 10_300], [0.5, 0.5]), ([4000, 3050, 2950], [0.4, 0.3, 0.3]), ([700, 100, 230], [0.7, 0.1, 0.2]))
    ],
    "cuped": adjusted_by_regression(x, y, z, w),
    "ratio": {"value": ratio, "standardError": residual.std(ddof=1) / math.sqrt(len(residual))},
}
Path(__file__).with_name("golden-trial.json").write_text(json.dumps(golden, indent=1) + "\n")
