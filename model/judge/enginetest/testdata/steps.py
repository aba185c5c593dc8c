"""30 steps of Adam by real Keras, in float64, for steps.go: python steps.py

Each NAME.npz has x[N][T][F], y[N] (class), the learning rate, the batch, loss (of each step, before it), and of each variable, in
Keras's order of layers, "before/PLACE NAME" and "after/PLACE NAME". Dropout is 0. Needs tensorflow and keras 3."""

import os

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
import keras
import numpy as np
import tensorflow as tf
from keras.layers import LSTM, BatchNormalization, Bidirectional, Dense, Masking

STEPS, BATCH, RATE = 30, 8, 0.01
sequences = dict(return_sequences=True)
NETWORKS = {
    "relu_stack": (3, 8, 5, lambda: [LSTM(6, activation="relu", **sequences), LSTM(9, activation="relu", **sequences), LSTM(6, activation="relu"), Dense(7, "relu"), Dense(5, "relu")]),
    "bidirectional_softmax": (6, 7, 4, lambda: [Bidirectional(LSTM(7, **sequences)), Bidirectional(LSTM(5))]),
    "batchnorm_dense": (4, 9, 3, lambda: [LSTM(8), Dense(6, "relu"), BatchNormalization(momentum=0.9)]),
    "masked_stack": (4, 10, 3, lambda: [Masking(0.0), LSTM(6, **sequences), LSTM(5), Dense(4, "relu")]),
    "masked_batchnorm": (1, 8, 3, lambda: [Masking(-1.0), LSTM(6, **sequences), BatchNormalization(momentum=0.8), LSTM(5, go_backwards=True)]),
}


def main():
    for i, (name, (classes, T, F, layers)) in enumerate(NETWORKS.items()):
        keras.backend.clear_session()
        keras.config.set_floatx("float64")
        keras.utils.set_random_seed(i)
        rng = np.random.default_rng(i)
        head = Dense(1, "sigmoid") if classes == 1 else Dense(classes, "softmax")
        m = keras.Sequential([keras.Input((T, F))] + layers() + [head])
        m.set_weights([(w.numpy() + rng.normal(0, 0.1, w.shape) * ("variance" not in w.path)).astype("float32").astype("float64") for w in m.weights])
        n = 3 * BATCH
        y = rng.integers(0, max(classes, 2), n)
        x = (rng.normal(size=(n, T, F)) + y[:, None, None] * 0.4).astype("float32").astype("float64")
        if "masked" in name:
            x[rng.random((n, T)) < 0.25] = -1.0 if name == "masked_batchnorm" else 0.0
        arrays = dict(x=x, y=y, rate=RATE, batch=BATCH)
        arrays |= {f"before/{k} {w.path}": w.numpy() for k, w in enumerate(m.weights)}
        optimizer = keras.optimizers.Adam(RATE)
        optimizer.build(m.trainable_variables)
        loss = keras.losses.BinaryCrossentropy() if classes == 1 else keras.losses.SparseCategoricalCrossentropy()
        losses = []
        for step in range(STEPS):
            at = slice(step % 3 * BATCH, (step % 3 + 1) * BATCH)
            with tf.GradientTape() as tape:
                value = loss(y[at, None].astype("float64") if classes == 1 else y[at], m(x[at], training=True))
            losses.append(value.numpy())
            optimizer.apply(tape.gradient(value, [v.value for v in m.trainable_variables]), m.trainable_variables)
        arrays |= {"loss": np.array(losses)} | {f"after/{k} {w.path}": w.numpy() for k, w in enumerate(m.weights)}
        here = os.path.dirname(os.path.abspath(__file__))
        np.savez_compressed(f"{here}/{name}.npz", **arrays)
        print(name, losses[0], losses[-1])


main()
