"""Writes the files of this folder with several LSTM layers, and ensembles, with Keras 3.15.1 and tf_keras 2.21.0 (Keras 2).

Usage: python make_stack.py OUTDIR
"chain" is Masking -> LSTM(4) -> Bidirectional(LSTM(3)) -> Bidirectional(LSTM(2)) -> Dropout(.25) -> Dense(3, relu) -> Dense(1,
sigmoid) on windows of 5 x 3 steps, trained for two steps; "ensemble" is the mean of three Masking -> Bidirectional(LSTM(2))
-> Dropout(.25) -> Dense(2, relu) -> Dense(1, sigmoid). expected_stack.json has the form of expected.json.
"""
import json
import os
import sys
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", TF_ENABLE_ONEDNN_OPTS="0")
import numpy as np
import keras
import tf_keras

T, F = 5, 3
rng = np.random.default_rng(6)
x = rng.normal(size=(6, T, F)).astype("f")
x[1, 3:] = 0      # right padding
x[2, :2] = 0      # left padding
x[3, [1, 3]] = 0  # holes
x[4] = 0          # nothing
x[5, 1:] = 0      # one step
y = np.array([0, 1, 0, 1, 1, 0], "f")


def chain(L):
    two = lambda n, **how: L.Bidirectional(L.LSTM(n, **how))
    return [L.LSTM(4, return_sequences=True), two(3, return_sequences=True), two(2)], 3


def sequential(K, cells, dense, **how):
    L = K.layers
    return K.Sequential([K.Input((T, F)), L.Masking(0.0), *cells, L.Dropout(.25), L.Dense(dense, activation="relu"), L.Dense(1, activation="sigmoid")], **how)


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    at = lambda name: os.path.join(out, name)
    p, state = {}, None
    for K, name in ((keras, "keras3"), (tf_keras, "keras2")):
        K.backend.clear_session()
        K.utils.set_random_seed(3)
        m = sequential(K, *chain(K.layers))
        m.compile(optimizer=K.optimizers.Adam(2e-3), loss="binary_crossentropy")
        for _ in range(2):
            m.train_on_batch(x, y)
        for end in (".keras", ".h5"):           # in this order: saving .h5 drops the optimizer from a later .keras
            m.save(at(name + "_chain" + end))
            p[name + "_chain" + end] = m.predict(x, verbose=0)[:, 0]
        if K is keras:
            state = [v.numpy() for v in m.optimizer.variables]
        members = [sequential(K, [K.layers.Bidirectional(K.layers.LSTM(2))], 2) for _ in range(3)]
        i = K.Input((T, F))
        m = K.Model(i, K.layers.Average()([m(i) for m in members]))
        for end in (".keras", ".h5")[K is tf_keras:]:
            m.save(at(name + "_ensemble" + end))
            p[name + "_ensemble" + end] = m.predict(x, verbose=0)[:, 0]
    json.dump({"x": x.tolist(), "probability": {k: v.astype("d").tolist() for k, v in p.items()},
               "iteration": int(state[0]), "first_m": state[2].astype("d").ravel().tolist(), "last_v": state[-1].astype("d").ravel().tolist()},
              open(at("expected_stack.json"), "w"))


main()
