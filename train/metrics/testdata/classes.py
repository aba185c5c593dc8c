"""Scores of more than two classes by scikit-learn, for classes_test.go. Run: python classes.py > classes.json"""

import json
import warnings

import numpy as np
from sklearn import metrics

warnings.simplefilter("ignore")


def scores(y, p):
    """y[n], p[n][C] float32."""
    y, p = np.array(y), np.array(p, np.float64)
    q, C = p.argmax(1), p.shape[1]
    average = lambda of: dict(
        precision=metrics.precision_score(y, q, average=of, zero_division=0),
        recall=metrics.recall_score(y, q, average=of, zero_division=0),
        f1=metrics.f1_score(y, q, average=of, zero_division=0),
        roc_auc=metrics.roc_auc_score(y, p, multi_class="ovr", average=of) if len(set(y)) == C else None,
    )
    each = metrics.precision_recall_fscore_support(y, q, labels=range(C), zero_division=0)
    return dict(
        accuracy=metrics.accuracy_score(y, q),
        balanced_accuracy=metrics.balanced_accuracy_score(y, q),
        macro=average("macro"),
        weighted=average("weighted"),
        cohen_kappa=metrics.cohen_kappa_score(y, q),
        log_loss=metrics.log_loss(y, p, labels=range(C)),
        per_class=[
            dict(precision=each[0][c], recall=each[1][c], f1=each[2][c], support=int(each[3][c]),
                 roc_auc=metrics.roc_auc_score(y == c, p[:, c]) if 0 < (y == c).sum() < len(y) else None)
            for c in range(C)
        ],
        confusion_matrix=metrics.confusion_matrix(y, q, labels=range(C)).tolist(),
    )


def case(name, y, p):
    p = np.array(p, np.float32)
    return dict(name=name, y=[int(v) for v in y], p=[float(v) for v in p.ravel()], classes=p.shape[1], want=scores(y, p))


def random(rng, n, C, skill, missing=None):
    y = rng.integers(0, C, n)
    if missing is not None:
        y[y == missing] = 0
    z = rng.normal(size=(n, C)) + skill * np.eye(C)[y]
    p = np.exp(z)
    return y, p / p.sum(1, keepdims=True)


rng = np.random.default_rng(1)
cases = [
    case("three classes", *random(rng, 200, 3, 1.0)),
    case("twelve classes", *random(rng, 500, 12, 2.0)),
    case("a class that is nowhere", *random(rng, 60, 4, 6.0, missing=3)),
    case("ties", [0, 1, 2, 2, 1, 0, 0], np.array([[2, 1, 1], [1, 2, 1], [1, 1, 2], [2, 2, 0], [0, 2, 2], [4, 0, 0], [1, 1, 2]]) / 4),
    case("never predicted", [0, 1, 2, 2, 1, 0], [[0.6, 0.3, 0.1]] * 6),
    case("sure", [0, 1, 2, 0], [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]),
]
for c in cases:
    c["want"]["log_loss"] = float(c["want"]["log_loss"])
print(json.dumps(cases, indent=1, default=float))
