"""Makes golden-drift.json: what NumPy, SciPy and scikit-learn say of distances, their p-values and isotonic regression.

    .cache/python/bin/python src/stats/golden/make-golden-drift.py

Evidently's and NannyML's distances are written out on NumPy's histograms, as their code calls them.
"""

import json
import platform
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy import special, stats
from scipy.spatial.distance import jensenshannon
from sklearn.isotonic import IsotonicRegression


def seq(n, a, m, o=0):
    """x_i = ((i a + o) mod m) / m: exact in doubles, and easy to repeat."""
    return np.array([((i * a + o) % m) / m for i in range(n)])


def filled(share):
    least = share[share != 0].min()
    share = share.copy()
    share[share == 0] = 0.0001 if least > 0.0001 else least / 1e6
    return share


def evidently(ref, cur):
    edges = np.histogram_bin_edges(np.concatenate([ref, cur]), bins="sturges")
    p, q = np.histogram(ref, edges)[0] / len(ref), np.histogram(cur, edges)[0] / len(cur)
    a, b = filled(p), filled(q)
    w1 = stats.wasserstein_distance(ref, cur)
    return {
        "bins": len(edges) - 1,
        "js_nats": jensenshannon(p, q),
        "js_bits": jensenshannon(p, q, base=2),
        "psi": float(np.sum((a - b) * np.log(a / b))),
        "kl": stats.entropy(a, b),
        "w1": w1,
        "w1_normed": w1 / max(np.std(ref), 0.001),
    }


def nannyml(ref, cur):
    edges = np.histogram_bin_edges(ref.astype(float), bins="doane")
    p, q = np.histogram(ref, edges)[0] / len(ref), np.histogram(cur, edges)[0] / len(cur)
    left = 1 - q.sum()
    if left > 0:
        p, q = np.append(p, 0), np.append(q, left)
    return {"doane_bins": len(edges) - 1, "nannyml_js": jensenshannon(p, q, base=2), "nannyml_hellinger": np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2)) / np.sqrt(2)}


def ks(a, b):
    found = stats.ks_2samp(a, b)
    return {"ks": found.statistic, "ks_p": found.pvalue}


def drifted(x):
    return x * x * 0.9 + 0.05


pairs = {
    "S": (seq(800, 7919, 10007), drifted(seq(700, 104729, 10007, 13))),
    "M": (seq(5000, 7919, 10007), drifted(seq(4000, 104729, 10007, 13))),
    "L": (seq(20000, 7919, 100003), drifted(seq(15000, 104729, 100003, 13))),
}
null = (seq(900, 7919, 10007), seq(700, 104729, 10007, 13) * 0.98 + 0.015)
large = (seq(12000, 7919, 100003), seq(11000, 104729, 100003, 13) * 0.995 + 0.004)
uneven = (seq(15000, 7919, 100003), seq(60, 104729, 100003, 13) * 0.7)
ref, cur = np.array([500, 300, 200, 0]), np.array([380, 330, 180, 10])
p, q = ref / ref.sum(), cur / cur.sum()
a, b = filled(p), filled(q)
table = stats.chi2_contingency([[500, 300, 200], [380, 330, 190]], correction=True)
yates = stats.chi2_contingency([[500, 500], [380, 520]], correction=True)

s = seq(2000, 7919, 10007)
u = seq(2000, 104729, 100003, 13)
y = (u < s**1.3).astype(int)
tied = np.floor(s * 40) / 40
iso = IsotonicRegression(out_of_bounds="clip", increasing=True)
grid = np.linspace(-0.1, 1.1, 25)

golden = {
    "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
    "pairs": {name: {**evidently(*x), **nannyml(*x), **ks(*x)} for name, x in pairs.items()},
    "null": ks(*null),
    "large": ks(*large),
    "uneven": ks(*uneven),
    "kstwo": [{"n": n, "x": x, "above": stats.kstwo.sf(x, n)} for n in (5, 30, 140, 141, 1000, 50_000) for x in (0.4 / n**0.5, 0.7 / n**0.5, 1 / n**0.5, 1.5 / n**0.5, 2.5 / n**0.5) if x < 1],
    "categories": {"js_nats": jensenshannon(p, q), "js_bits": jensenshannon(p, q, base=2), "psi": float(np.sum((a - b) * np.log(a / b))), "kl": stats.entropy(a, b)},
    "contingency": {"statistic": table.statistic, "p": table.pvalue},
    "yates": {"statistic": yates.statistic, "p": yates.pvalue},
    "chi2": [{"x": x, "df": df, "above": stats.chi2.sf(x, df)} for df in (1, 2, 19, 39, 100, 2000) for x in (0.01, df * 0.7, df, df * 1.5 + 4, df * 3 + 30)],
    "chi2_quantile": [{"p": p_, "df": df, "value": stats.chi2.isf(p_, df)} for df in (1, 5, 19, 101) for p_ in (0.5, 0.001, 5e-5, 1e-9)],
    "log_gamma": [{"x": x, "value": special.gammaln(x)} for x in (1e-3, 0.5, 1, 2, 3.7, 20, 1e4, 1e8)],
    "isotonic": {"grid": grid.tolist(), "plain": iso.fit(s, y).predict(grid).tolist(), "tied": iso.fit(tied, y).predict(grid).tolist()},
}
Path(__file__).with_name("golden-drift.json").write_text(json.dumps(golden, indent=1) + "\n")
