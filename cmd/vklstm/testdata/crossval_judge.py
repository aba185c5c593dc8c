"""Judges what crossval wrote by scikit-learn: python crossval_judge.py oof.npz result.json

Prints what differs, and the worst difference of a score. The folds must be StratifiedGroupKFold's; the scores, those of
sklearn.metrics on the probabilities in the file, to 1e-12.
"""
import json, sys, warnings
import numpy as np
from sklearn import metrics as sk
from sklearn.model_selection import StratifiedGroupKFold

warnings.simplefilter("ignore")
f, result = np.load(sys.argv[1]), json.load(open(sys.argv[2]))
y, group = f["y"].astype(int), f["group"]
probability, fold = np.atleast_2d(f["probability"]), np.atleast_2d(f["fold"])
worst, scores = 0.0, 0


def judge(what, got, y, p):
    global worst, scores
    q = (p > .5).astype(int)
    want = dict(accuracy=sk.accuracy_score(y, q), precision=sk.precision_score(y, q, zero_division=0),
                recall=sk.recall_score(y, q, zero_division=0), f1=sk.f1_score(y, q, zero_division=0),
                roc_auc=sk.roc_auc_score(y, p) if 0 < y.sum() < len(y) else None)
    for name, v in want.items():
        scores += 1
        if (v is None) != (got["scores"][name] is None):
            print(f"{what}: {name} is {got['scores'][name]}, scikit-learn has {v}")
        elif v is not None:
            worst = max(worst, abs(v - got["scores"][name]))
    tn, fp, fn, tp = map(int, sk.confusion_matrix(y, q, labels=[0, 1]).ravel())
    if got["confusion_matrix"] != dict(tn=tn, fp=fp, fn=fn, tp=tp):
        print(f"{what}: confusion {got['confusion_matrix']}, scikit-learn has {tn, fp, fn, tp}")


for i, s in enumerate(result["series"]):
    seed = s["shuffle_seed"]
    splitter = StratifiedGroupKFold(result["folds"], shuffle=seed is not None, random_state=seed)
    for k, (_, test) in enumerate(splitter.split(y, y, group)):
        if set(np.flatnonzero(fold[i] == k)) != set(test):
            print(f"series {i}: fold {k} is another than scikit-learn's")
    judge(f"series {i}", s, y, probability[i])
    for k, g in enumerate(s["folds"]):
        judge(f"series {i}, fold {k}", g, y[fold[i] == k], probability[i][fold[i] == k])
mean = np.mean([s["scores"]["f1"] for s in result["series"]])
worst = max(worst, abs(mean - result["mean"]["f1"]))
print(f"{scores} scores, worst difference {worst:.3g}")
sys.exit(worst > 1e-12)
