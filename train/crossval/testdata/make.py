"""Makes the golden files beside this script with real scikit-learn:

    pip install numpy==2.4.6 scikit-learn==1.9.1
    python make.py [DATA]

folds.npz, folds_classes.npz
              labels (of two classes, and of more) and groups of many structures, one behind the other, and the folds that StratifiedGroupKFold,
              StratifiedKFold and np.unique give them, in order or shuffled
sets.json     the folds of the groups of the data sets in the folder DATA (left as it is without DATA)
../../metrics/testdata/scores.npz
              probabilities out of fold, and what sklearn.metrics says of each fold, of all windows, and of resampled groups
"""
import json, pathlib, sys, warnings
import numpy as np
from sklearn import metrics as sk
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

here = pathlib.Path(__file__).parent
warnings.simplefilter("ignore")


def folds(splitter, y, groups=None):
    out = np.full(len(y), -1)
    for f, (_, test) in enumerate(splitter.split(np.zeros(len(y)), y, groups)):
        assert (out[test] == -1).all()
        out[test] = f
    assert (out >= 0).all()
    return out


def structure(r, case):
    """Labels, group of each window as a number, and a number of folds."""
    k = int(r.integers(2, 11))
    groups = int(r.integers(k, 4 * k + 2))
    kind = case % 6
    if kind == 0:      # like recordings: a few windows each, mostly of one class
        size = r.integers(1, 12, groups)
    elif kind == 1:    # like persons: many windows, about the same number
        size = r.integers(15, 25, groups)
    elif kind == 2:    # all alike: only the order decides
        size = np.full(groups, 4)
    elif kind == 3:    # a few giants
        size = np.maximum(1, (r.pareto(1.0, groups) * 3).astype(int).clip(0, 150))
    elif kind == 4:    # a window each
        groups, size = groups * 3, np.ones(groups * 3, int)
    else:              # fewer positive windows than folds
        size = r.integers(2, 9, groups)
    share = r.beta(.5, 1.5, groups) if kind != 2 else np.full(groups, .25)
    y, g = [], []
    for i in range(groups):
        n = int(round(size[i] * share[i])) if kind in (1, 2) else int((r.random(size[i]) < share[i]).sum())
        y += [1] * n + [0] * (size[i] - n)
        g += [i] * size[i]
    y, g = np.array(y), np.array(g)
    if kind == 5:
        y[np.flatnonzero(y)[max(1, k - 2):]] = 0
    if y.sum() in (0, len(y)):
        y[0] = 1 - y[0]
    order = r.permutation(len(y)) if case % 2 else np.arange(len(y))
    names = r.permutation(groups)  # the order of names is another than that of the windows
    if max(y.sum(), len(y) - y.sum()) < k:
        return structure(r, case)
    return y[order], names[g[order]], k


def random_structures(structure=structure, file="folds.npz", seed=7):
    r = np.random.default_rng(seed)
    rows = {n: [] for n in "y group by_group by_group_shuffled by_window by_window_shuffled".split()}
    ks, seeds, sizes = [], [], []
    for case in range(150):
        y, g, k = structure(r, case)
        seed = int(r.integers(0, 2**32)) if case % 3 else case
        for name, v in (("y", y), ("group", g), ("by_group", folds(StratifiedGroupKFold(k), y, g)),
                        ("by_group_shuffled", folds(StratifiedGroupKFold(k, shuffle=True, random_state=seed), y, g)),
                        ("by_window", folds(StratifiedKFold(k), y)),
                        ("by_window_shuffled", folds(StratifiedKFold(k, shuffle=True, random_state=seed), y))):
            rows[name].append(v)
        ks.append(k), seeds.append(seed), sizes.append(len(y))
    np.savez_compressed(here / file, k=np.array(ks, "int32"), seed=np.array(seeds, "uint32"), size=np.array(sizes, "int32"),
                        **{n: np.concatenate(v).astype("int16") for n, v in rows.items()})


def structure_of_classes(r, case):
    """structure of 3 to 12 classes; every other case they appear in another order than theirs."""
    y, g, k = structure(r, case)
    classes = int(r.integers(3, 13))
    own = r.integers(0, classes, int(g.max()) + 1)  # a group's usual class
    y = np.where(r.random(len(g)) < 0.6, own[g], r.integers(0, classes, len(g)))
    _, y = np.unique(y, return_inverse=True)
    if len(np.unique(y)) < 3 or np.bincount(y).max() < k:
        return structure_of_classes(r, case)
    return y, g, k


def random_structures_of_classes():
    random_structures(structure_of_classes, "folds_classes.npz", 8)


def data_sets(folder):
    out = []
    for file, y_key, group_key in (("weda_fall_25hz.npz", "y", "subject"), ("weda_fall_25hz.npz", "y", "video_names"),
                                   ("sisfall_25hz.npz", "y", "subject"), ("urfd_movenet_6feat.npz", "y_event", "video_names"),
                                   ("urfd_movenet_6feat.npz", "y", "group")):
        f = np.load(folder / file)
        y, g = f[y_key], f[group_key]
        ids = np.unique(g)
        for k in (2, 5, 10):
            for seed in (None, 0, 42):
                by = folds(StratifiedGroupKFold(k, shuffle=seed is not None, random_state=seed), y, g)
                one = folds(StratifiedKFold(k, shuffle=seed is not None, random_state=seed), y)
                out.append(dict(file=file, y_key=y_key, group_key=group_key, k=k, seed=seed, groups=[str(i) for i in ids] if (k, seed) == (2, None) else [],
                                folds=[int(by[g == i][0]) for i in ids],
                                windows=[int((one * np.arange(1, len(y) + 1) % 1000003).sum())] + [int((one == j).sum()) for j in range(k)]))
    (here / "sets.json").write_text("[" + ",\n".join(json.dumps(o, separators=(",", ":")) for o in out) + "]\n")


def scores(y, p):
    """Accuracy, precision, recall, F1, AUC (NaN with one class), then tn, fp, fn, tp."""
    q = (p > .5).astype(int)
    return [sk.accuracy_score(y, q), sk.precision_score(y, q, zero_division=0), sk.recall_score(y, q, zero_division=0),
            sk.f1_score(y, q, zero_division=0), sk.roc_auc_score(y, p) if 0 < y.sum() < len(y) else np.nan,
            *sk.confusion_matrix(y, q, labels=[0, 1]).ravel()]


def out_of_fold():
    r = np.random.default_rng(11)
    n, groups, series, k = 400, 23, 3, 4
    g = np.sort(r.integers(0, groups, n))
    y = (r.random(n) < np.where(g % 5 == 0, .02, .3)).astype("float32")
    fold = np.stack([(g + s) % k for s in range(series)]).astype("int32")
    y[np.isin(fold[0], [3])] = 0  # a fold without positives: AUC is undefined there
    p = np.clip(.2 + .5 * y + r.normal(0, .22, (series, n)), 0, 1).astype("float32")
    p[:, ::7] = np.round(p[:, ::7], 1)  # ties, some of them at the threshold
    per_fold = [[scores(y[fold[s] == f], p[s][fold[s] == f]) for f in range(k)] for s in range(series)]
    pooled = [scores(y, p[s]) for s in range(series)]
    draws = r.integers(0, groups, (40, groups))  # the groups of resamples; one has a single group, which has one class
    draws[0] = 0
    resampled = []
    for d in draws:
        w = np.concatenate([np.flatnonzero(g == i) for i in d])
        resampled.append([scores(y[w], p[s][w]) for s in range(series)])
    x = r.normal(size=37)
    at = np.array([0, 2.5, 10, 50, 97.5, 100])
    np.savez_compressed(here.parent.parent / "metrics/testdata/scores.npz", y=y, group=g.astype("int32"), fold=fold, p=p, per_fold=np.array(per_fold), pooled=np.array(pooled),
                        draws=draws.astype("int32"), resampled=np.array(resampled), x=x, at=at, percentile=np.percentile(x, at),
                        mean=np.mean(per_fold, axis=1)[:, :5], sd=np.std(per_fold, axis=1, ddof=1)[:, :5])


random_structures()
random_structures_of_classes()
out_of_fold()
if len(sys.argv) > 1:
    data_sets(pathlib.Path(sys.argv[1]))
