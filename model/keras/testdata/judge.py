"""Loads .h5 files written by package keras in Keras 3 and in Keras 2 (tf_keras), and does with them what users do.

Usage: python judge.py CASES.json, a list of {"file", "x" [N][T][F], "y" [N], "probability" [N], "learning_rate", "loss",
"loss_value" (both null for a file that is not compiled), "vklstm", "arrays", "graph", "out"}. For each file and each Keras: load with
compile=False and compile=True, predict, evaluate, train one step. After the step the model is saved as OUT_k3.h5,
OUT_k3.keras, OUT_k2.h5 and OUT_k2.keras, its predictions as OUT_k3.json and OUT_k2.json. Prints what fails and then exits with 1.
"""
import json
import os
import sys
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1",
                  TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", TF_ENABLE_ONEDNN_OPTS="0")
import logging
import warnings
warnings.simplefilter("ignore")
import h5py
import numpy as np
import keras
import tf_keras
for logger in ("absl", "tensorflow"):
    logging.getLogger(logger).setLevel(logging.ERROR)

failures = []


def check(ok, *what):
    if not ok:
        failures.append(what)
        print("FAILED:", *what)


def close(a, b, tol):
    return np.shape(a) == np.shape(b) and bool(np.all(np.abs(np.asarray(a, "d") - np.asarray(b, "d")) <= tol))


def call(m, x):
    return np.asarray(m(x, training=False))[:, 0]     # without building predict's graph


def judge(K, name, case):
    x, y, want, file = np.array(case["x"], "f"), np.array(case["y"], "f"), case["probability"], case["file"]
    where = f"{name} {K.__version__}, {os.path.basename(file)}"
    plain = K.models.load_model(file, compile=False)
    check(close(call(plain, x), want, 1e-5), where, "compile=False predicts otherwise")
    m = K.models.load_model(file, compile=True)
    if not case["graph"]:
        m.run_eagerly = True                 # building a graph takes longer than all else
    check(close(m.predict(x, verbose=0)[:, 0], want, 1e-5), where, "compile=True predicts otherwise")
    if case["loss"] is None:
        check(getattr(m, "optimizer", None) is None, where, "is compiled")
        m.compile(optimizer=K.optimizers.Adam(), loss="binary_crossentropy", metrics=["accuracy"], run_eagerly=not case["graph"])
    else:
        check(type(m.optimizer).__name__ == "Adam", where, "optimizer", m.optimizer)
        lr = float(m.optimizer.learning_rate.numpy())
        check(abs(lr - case["learning_rate"]) <= 1e-6 * case["learning_rate"], where, "learning rate", lr)
        value = m.evaluate(x, y, batch_size=len(x), verbose=0, return_dict=True)
        check(abs(value["loss"] - case["loss_value"]) <= 1e-5, where, "loss", value, "instead of", case["loss_value"])
        check("accuracy" in value, where, "metrics", value)
    before = [np.array(w) for w in m.get_weights()]
    for _ in range(2):                       # the second needs the optimizer's variables of the first
        loss = m.train_on_batch(x, y, return_dict=True)["loss"]
        check(np.isfinite(loss), where, "loss after a step", loss)
    check(int(m.optimizer.iterations.numpy()) == 2, where, "iterations", m.optimizer.iterations)
    check(all((a != b).any() for a, b in zip(before, m.get_weights())), where, "a step leaves weights as they were")
    out = f"{case['out']}_{name}"
    for end in (".keras", ".h5"):            # in this order: saving .h5 drops the optimizer from a later .keras
        m.save(out + end)
    slots = [v.numpy() for v in (m.optimizer.variables if name == "k3" else m.optimizer.variables())]
    json.dump({"probability": call(m, x).astype("d").tolist(), "v": slots[-1].astype("d").ravel().tolist()}, open(out + ".json", "w"))


for case in json.load(open(sys.argv[1])):
    with h5py.File(case["file"]) as f:
        got = f.attrs["vklstm"]
        got = got.decode() if hasattr(got, "decode") else got
        check(got == case["vklstm"], case["file"], "attribute vklstm", got)
        seen = []
        f.visititems(lambda n, o: seen.append(n) if isinstance(o, h5py.Dataset) else None)
        check(len(seen) == case["arrays"], case["file"], "arrays", seen)
    for K, name in ((keras, "k3"), (tf_keras, "k2")):
        try:
            judge(K, name, case)
        except Exception as e:
            check(False, name, case["file"], type(e).__name__, str(e)[:500])
print(f"keras {keras.__version__}, tf_keras {tf_keras.__version__}: {len(failures)} failures")
sys.exit(bool(failures))
