"""Writes the model files of this folder with Keras 3.15.1, tf_keras 2.21.0 (Keras 2) and h5py 3.14.0.

Usage: python make.py OUTDIR
All are Masking -> LSTM(4) -> Dropout(.25) -> Dense(3, relu) -> Dense(1, sigmoid) on windows of 5 x 3 steps, trained for
two steps. expected.json holds the windows and each file's probabilities; the variants predict what keras3.h5 does.
"""
import json
import os
import sys
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", TF_ENABLE_ONEDNN_OPTS="0")
import h5py
import numpy as np
import keras
import tf_keras

T, F, H, D = 5, 3, 4, 3
rng = np.random.default_rng(5)
x = rng.normal(size=(6, T, F)).astype("f")
x[1, 3:] = 0      # right padding
x[2, :2] = 0      # left padding
x[3, [1, 3]] = 0  # holes
x[4] = 0          # nothing
x[5, -1] = 0
y = np.array([0, 1, 0, 1, 1, 0], "f")


def train(K, seed, loss, optimizer):
    K.backend.clear_session()
    K.utils.set_random_seed(seed)
    L = K.layers
    m = K.Sequential([K.Input((T, F)), L.Masking(0.0), L.LSTM(H), L.Dropout(.25), L.Dense(D, activation="relu"), L.Dense(1, activation="sigmoid")])
    m.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    for _ in range(2):
        m.train_on_batch(x, y)
    return m


def variant(source, path, libver, change):
    """Copies an .h5 file; change(name, array) returns the array and what create_dataset is told besides."""
    with h5py.File(source) as f, h5py.File(path, "w", libver=libver) as g:
        def copy(a, b):
            for k, v in a.attrs.items():
                if isinstance(v, np.ndarray) and v.dtype == object:      # fixed-length strings, padded with zeros
                    v = np.array([s.encode() for s in v])
                b.attrs[k] = v
            for k, v in a.items():
                if isinstance(v, h5py.Group):
                    copy(v, b.create_group(k))
                else:
                    data, how = change(v.name, v[()])
                    b.create_dataset(k, data=data, **how)
        copy(f, g)


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    at = lambda name: os.path.join(out, name)
    p = {}

    m = train(keras, 1, "binary_crossentropy", keras.optimizers.Adam(2e-3))
    m.save(at("keras3.keras"))           # first: saving .h5 drops the optimizer from a later .keras
    m.save(at("keras3.h5"))
    p["keras3.h5"] = p["keras3.keras"] = m.predict(x, verbose=0)[:, 0]
    state = [v.numpy() for v in m.optimizer.variables]

    focal = dict(apply_class_balancing=True, alpha=.3, gamma=1.5)
    m = train(tf_keras, 2, tf_keras.losses.BinaryFocalCrossentropy(**focal), tf_keras.optimizers.Adam(3e-3))
    m.save(at("keras2.keras"))
    m.save(at("keras2.h5"))
    p["keras2.h5"] = p["keras2.keras"] = m.predict(x, verbose=0)[:, 0]
    m = train(tf_keras, 3, "binary_crossentropy", tf_keras.optimizers.legacy.Adam(3e-3))
    m.save(at("keras2_legacy_adam.h5"))
    p["keras2_legacy_adam.h5"] = m.predict(x, verbose=0)[:, 0]

    # Chunks smaller than the array, so that the last ones hang over its edge; other element types.
    def chunked(name, a):
        if not a.shape:
            return a.astype(">i4" if a.dtype.kind == "i" else ">f8"), {}
        kind = {"kernel": "<f8", "bias": ">f4"}.get(name.rsplit("/", 1)[1], "<f4")
        return a.astype(kind), dict(chunks=tuple(max(1, n - 1) for n in a.shape), compression="gzip", shuffle=kind != ">f4")
    variant(at("keras3.h5"), at("chunked.h5"), "earliest", chunked)
    variant(at("keras3.h5"), at("latest.h5"), "latest", lambda name, a: (a, {}))
    variant(at("keras3.h5"), at("lzf.h5"), "earliest", lambda name, a: (a, dict(chunks=a.shape, compression="lzf") if a.shape else {}))
    p["chunked.h5"] = p["latest.h5"] = p["keras3.h5"]

    json.dump({"x": x.tolist(), "probability": {k: v.astype("d").tolist() for k, v in p.items()},
               "iteration": int(state[0]), "first_m": state[2].astype("d").ravel().tolist(), "last_v": state[-1].astype("d").ravel().tolist()},
              open(at("expected.json"), "w"))


main()
