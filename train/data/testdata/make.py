"""Makes the golden files beside this script with real NumPy and scikit-learn:

    pip install numpy==2.4.6 scikit-learn==1.9.1
    python make.py

numbers.npz, packed.npz   X and y in every type, byte order and memory order that is read; stored and deflated
labels.npz                groups of every type, object arrays by every pickle protocol that NumPy wrote
formats.npz               header versions 1, 2, 3; an entry without .npy; deflated and zip64 entries in one file
original.npz              as the Keras module saves it: float64 X with NaN, int64 y, object video_names
shuffle.json              np.random.seed(s); np.random.shuffle(np.arange(n)); the start and a hash of the order
../../metrics/testdata/metrics.json
                          labels, probabilities and what scikit-learn says of them
"""
import hashlib, io, json, pathlib, pickle, zipfile
import numpy as np
from sklearn import metrics as sk

here = pathlib.Path(__file__).parent
base = np.arange(24).reshape(4, 3, 2)  # every type holds 0 … 23 exactly
label = np.array([0, 1, 1, 0])


def entry(z, name, array, version=None, method=zipfile.ZIP_STORED, zip64=False):
    buf = io.BytesIO()
    np.lib.format.write_array(buf, array, version=version)
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = method
    with z.open(info, "w", force_zip64=zip64) as f:
        f.write(buf.getvalue())


def write(name, arrays, method=zipfile.ZIP_STORED):
    """np.savez with a fixed date, so that a second run writes the same bytes."""
    with zipfile.ZipFile(here / name, "w") as z:
        for k, a in arrays.items():
            entry(z, k + ".npy", a, method=method, zip64=True)


numbers = {}
for t in "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split():
    for order in "<>":
        if t[1] == "1" and order == ">":
            continue
        key = {"<": "", ">": "big_"}[order] + t
        numbers["X_" + key] = (base != 0 if t == "b1" else base).astype(order + t)
        numbers["y_" + key] = label.astype(order + t)
numbers["X_fortran"] = np.asfortranarray(base.astype("<f4"))
numbers["X_fortran_big"] = np.asfortranarray(base.astype(">f8"))
numbers["y_column"] = label.reshape(4, 1)
special = np.array([np.nan, 2**-24, -2**-14, 65504, 1e-7, -0.0, 1/3, -1.5], "<f2").reshape(1, 4, 2)
numbers["special_f2"] = special  # subnormal and largest numbers of float16
numbers["special_f4"] = special.astype("<f4")
numbers["scalar"] = np.float32(30)
numbers["text"] = np.array(["a", "b"])
numbers["complex"] = base.astype("c8")
numbers["time"] = np.array(["2026-01-01"], "M8[ns]")
numbers["structured"] = np.zeros(3, [("a", "<f4"), ("b", "<i2", (2,))])
write("numbers.npz", numbers)
write("packed.npz", {k: v for k, v in numbers.items() if k[:2] in ("X_", "y_")}, zipfile.ZIP_DEFLATED)

names = ["fall-01", "fall-01", "adl-é漢𝄞", ""]
labels = {"U": np.array(names), "U_big": np.array(names).astype(">U9"), "S": np.array([n.encode("latin1", "replace") for n in names]),
          "i4": np.array([7, 7, -3, 0], "<i4"), "i8": np.array([2**53, 2**53 + 1, -5, 0]), "i8_big": np.array([2**53, 2**53 + 1, -5, 0], ">i8"),
          "u8": np.array([2**64 - 1, 7, 3, 0], "u8"), "f8": np.array([7, 7, 2.5, np.nan]), "bool": np.array([True, False, True, True]),
          "column": np.array(names).reshape(4, 1), "three": np.array(["a", "b", "c"]), "empty": np.array(["", "", "", ""])}
mixed = np.array(["fall-01", 7, None, b"by\xe9"], object)
more = np.array([2**70, -2**63, 2.5, True], object)
numpys = np.array([np.str_("fall-01"), np.int16(-7), np.uint64(2**64 - 1), np.float32(2.5)], object)
numpys2 = np.array([np.bytes_(b"ab"), np.bool_(True), np.str_("é"), np.int64(-1)], object)
arrays = {"object": np.array(names, object), "object_column": np.array(names, object).reshape(4, 1), "object_mixed": mixed,
          "object_more": more, "object_numpy": numpys, "object_numpy2": numpys2,
          "object_list": np.array([[1], "a", "b", "c"], object), "object_array": np.array([np.zeros(2), "a", "b", "c"], object)}
with zipfile.ZipFile(here / "labels.npz", "w") as z:
    for k, a in labels.items():
        entry(z, k + ".npy", a)
    for k, a in arrays.items():
        for protocol in (2, 3, 4, 5):
            buf = io.BytesIO()
            np.lib.format.write_array_header_1_0(buf, np.lib.format.header_data_from_array_1_0(a))
            data = pickle.dumps(a, protocol)
            z.writestr(zipfile.ZipInfo(f"{k}_{protocol}.npy"), buf.getvalue() + data)
            old = data.replace(b"numpy._core", b"numpy.core")  # as NumPy 1 wrote it; the length stands in no opcode before protocol 4
            if protocol < 4:
                z.writestr(zipfile.ZipInfo(f"{k}_{protocol}_old.npy"), buf.getvalue() + old)

with zipfile.ZipFile(here / "formats.npz", "w") as z:
    x = base.astype("<f4")
    for v in (1, 2, 3):
        entry(z, f"X_v{v}.npy", x, version=(v, 0))
    entry(z, "X_bare", x)
    entry(z, "X_deflated.npy", x, method=zipfile.ZIP_DEFLATED)
    entry(z, "X_zip64.npy", x, zip64=True)
    entry(z, "y.npy", label)
    limit, zipfile.ZIP64_LIMIT = zipfile.ZIP64_LIMIT, 10  # the directory, too, in zip64 from here on
    entry(z, "X_lzma.npy", x, method=zipfile.ZIP_LZMA, zip64=True)
    entry(z, "X_zip64_packed.npy", x, method=zipfile.ZIP_DEFLATED, zip64=True)
zipfile.ZIP64_LIMIT = limit

rng = np.random.default_rng(1)
x = rng.random((17, 60, 6))
x[rng.random(x.shape) < 0.05] = np.nan
names = np.empty(17, object)
names[:] = [f"fall-{i // 3:02d}-cam0.mp4" for i in range(17)]
write("original.npz", {"X": x[:, ::10], "y": np.arange(17) % 3 == 0, "video_names": names})

cases = []
for n in (1, 2, 3, 6, 7, 16, 17, 18, 255, 256, 257, 624, 1000, 65537):
    for s in (0, 1, 42, 2**31, 2**32 - 1):
        i = np.arange(n)
        np.random.seed(s)
        np.random.shuffle(i)
        cases.append({"n": n, "seed": s, "start": i[:12].tolist(), "sha256": hashlib.sha256(i.astype("<i4").tobytes()).hexdigest(),
                      "cuts": [int(.7 * n), int(.7 * n) + int(.15 * n)]})
(here / "shuffle.json").write_text(json.dumps(cases, separators=(",", ":")).replace("},{", "},\n{") + "\n")

cases = []
for name, y, p in [
    ("good", rng.random(60) < .3, None),
    ("random", rng.random(60) < .5, rng.random(60)),
    ("ties", rng.random(60) < .4, np.round(rng.random(60), 1)),
    ("all tied", np.arange(7) % 2, np.full(7, .5)),
    ("perfect", [0, 0, 1, 1], [.1, .2, .6, .9]),
    ("reversed", [1, 1, 0, 0], [.1, .2, .6, .9]),
    ("bounds", [0, 1, 0, 1, 1], [0, 1, .5, .5, np.nextafter(np.float32(.5), np.float32(1))]),
    ("none predicted", [0, 1, 0, 1], [.1, .2, .3, .4]),
    ("all predicted", [0, 1, 0, 1], [.6, .9, .7, .8]),
    ("one positive", np.arange(50) == 20, rng.random(50)),
]:
    y = np.asarray(y).astype(int)
    if p is None:
        p = 1 / (1 + np.exp(-rng.normal(3 * y - 1.5, 1)))
    p = np.asarray(p, "f4")
    fpr, tpr, at = sk.roc_curve(y, p, drop_intermediate=False)
    for threshold in (0.5, 0.3):
        q = p.astype("f8") > threshold
        tn, fp, fn, tp = sk.confusion_matrix(y, q, labels=[0, 1]).ravel().tolist()
        cases.append({"name": name, "threshold": threshold, "y": y.tolist(), "p": p.tolist(), "accuracy": sk.accuracy_score(y, q),
                      "precision": sk.precision_score(y, q, zero_division=0), "recall": sk.recall_score(y, q, zero_division=0),
                      "f1": sk.f1_score(y, q, zero_division=0), "auc": sk.roc_auc_score(y, p), "confusion": [tn, fp, fn, tp],
                      "fpr": fpr.tolist(), "tpr": tpr.tolist(), "thresholds": at[1:].tolist()})
(here.parent.parent / "metrics/testdata/metrics.json").write_text(json.dumps(cases, separators=(",", ":")).replace("},{", "},\n{") + "\n")
