"""Makes golden.json: what scikit-learn and SciPy say, and DeLong's formula as published, written out plainly.

    .cache/python/bin/python src/stats/golden/make-golden.py

Inputs come from a generator that TypeScript repeats (figures.test.ts), so that only figures are stored.
"""

import json
import platform
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy import stats
from sklearn import metrics


def seq(n, a, b, c=0):
    """x_i = ((a i + c) mod b) / b for i = 0..n-1: exact in doubles, and easy to repeat."""
    return np.array([((a * i + c) % b) / b for i in range(n)])


def loss(y, p):
    p = np.clip(p, 1e-15, 1 - 1e-15)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def delong(y, scores):
    """Covariance of AUCs by structural components: DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988), equations 4 to 6."""
    positive, negative = y == 1, y == 0
    m, n = positive.sum(), negative.sum()
    aucs, v10, v01 = [], [], []
    for s in scores:
        x, z = s[positive], s[negative]
        psi = (x[:, None] > z[None, :]) + 0.5 * (x[:, None] == z[None, :])
        aucs.append(psi.mean())
        v10.append(psi.mean(axis=1))
        v01.append(psi.mean(axis=0))
    return np.array(aucs), np.cov(v10) / m + np.cov(v01) / n


def interval(centre, error, level=0.95):
    z = stats.norm.ppf(0.5 + level / 2)
    return [centre - z * error, centre + z * error]


def binary(y, p, threshold=0.5):
    called = (p >= threshold).astype(int)
    (auc,), variance = delong(y, [p])
    logit, error = np.log(auc / (1 - auc)), np.sqrt(variance) / (auc * (1 - auc))
    losses = loss(y, p)
    squares = (p - y) ** 2
    mean = lambda x: interval(x.mean(), x.std(ddof=1) / np.sqrt(len(x)))
    # Bins of equal size; the scores are distinct and their number a multiple of ten.
    order = np.argsort(p).reshape(10, -1)
    ece = sum(abs(p[b].mean() - y[b].mean()) * len(b) / len(p) for b in order)
    return {
        "roc_auc": metrics.roc_auc_score(y, p),
        "roc_auc_interval": [1 / (1 + np.exp(-x)) for x in interval(logit, error)],
        "pr_auc": metrics.average_precision_score(y, p),
        "log_loss": metrics.log_loss(y, p),
        "log_loss_interval": mean(losses),
        "brier": metrics.brier_score_loss(y, p),
        "brier_interval": mean(squares),
        "accuracy": metrics.accuracy_score(y, called),
        "precision": metrics.precision_score(y, called),
        "recall": metrics.recall_score(y, called),
        "f1": metrics.f1_score(y, called),
        "calibration_error": ece,
        "roc_points": [a.tolist() for a in metrics.roc_curve(y, p, drop_intermediate=False)[:2]],
    }


def regression(y, p):
    errors = abs(y - p)
    return {
        "mae": metrics.mean_absolute_error(y, p),
        "mae_interval": interval(errors.mean(), errors.std(ddof=1) / np.sqrt(len(y))),
        "rmse": metrics.root_mean_squared_error(y, p),
        "r2": metrics.r2_score(y, p),
    }


def wilson(k, n, level):
    low, high = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    return {"k": k, "n": n, "level": level, "low": low, "high": high}


def compared(y, a, b):
    aucs, s = delong(y, [a, b])
    difference, variance = aucs[0] - aucs[1], s[0, 0] + s[1, 1] - 2 * s[0, 1]
    paired = lambda f: (lambda d: [d.mean(), *interval(d.mean(), d.std(ddof=1) / np.sqrt(len(d)))])(f(b) - f(a))
    return {
        "roc_auc": [difference, *interval(difference, np.sqrt(variance))],
        "delong_variance": variance,
        "log_loss": paired(lambda p: loss(y, p)),
        "brier": paired(lambda p: (p - y) ** 2),
    }


s = seq(2000, 7919, 10007)
u = seq(2000, 104729, 100003, 13)
y = (u < s**1.3).astype(int)
s2 = 0.75 * s + 0.25 * seq(2000, 31337, 65537, 7)
tied = np.floor(s * 20) / 20
small_y = np.array([1, 0, 1, 1, 0, 0, 1, 0])
small = np.array([0.9, 0.8, 0.8, 0.6, 0.6, 0.3, 0.2, 0.1])
golden = {
    "versions": {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    },
    "normal": [{"p": p, "quantile": stats.norm.ppf(p)} for p in (1e-300, 1e-10, 0.001, 0.02, 0.025, 0.3, 0.5, 0.77, 0.975, 0.99999, 1 - 1e-12)],
    "erfc": [{"x": x, "value": scipy.special.erfc(x)} for x in (-3, -0.5, 0, 0.1, 1, 2.4999, 2.5, 4, 10, 26)],
    "wilson": [wilson(k, n, level) for k, n, level in ((0, 10, 0.95), (10, 10, 0.95), (7, 20, 0.9), (1, 1, 0.99), (500, 100_000, 0.95))],
    "distinct": binary(y, s),
    "small": {"roc_auc": metrics.roc_auc_score(small_y, small), "pr_auc": metrics.average_precision_score(small_y, small),
              "roc_points": [a.tolist() for a in metrics.roc_curve(small_y, small, drop_intermediate=False)[:2]]},  # fmt: skip
    "tied": {"roc_auc": metrics.roc_auc_score(y, tied), "pr_auc": metrics.average_precision_score(y, tied),
             "delong_variance": float(delong(y, [tied])[1]), "precision": metrics.precision_score(y, tied >= 0.5), "recall": metrics.recall_score(y, tied >= 0.5)},  # fmt: skip
    "compared": compared(y, s, s2),
    "regression": regression(s * 100 - 20, s2 * 90 - 10),
}
golden["distinct"].pop("roc_points")
Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=1) + "\n")
