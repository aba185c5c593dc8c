"""Learning rates that Keras 3.15.1 (TensorFlow 2.21.0) gives: CosineDecay by step, ReduceLROnPlateau by epoch.

Usage: python schedules.py > schedules.json
In float64: CosineDecay is given float64 tensors, since it rounds a Python float to float32, so an implementation in float64
must agree to rounding. ReduceLROnPlateau compares in float32; no two values here lie within its rounding but equal ones.
What the file holds:
"cosine": initial, decay_steps, alpha, warmup_target (null: no warm-up), warmup_steps, and rate [steps], of the steps 0, 1, ...
"plateau": mode ("max" or "min"), factor, patience, min_delta, cooldown, min_lr, initial, metric [epochs], null = NaN, and
    rate [epochs], the learning rate with which the epoch behind the metric's is trained
"""
import json
import os
import sys
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", TF_ENABLE_ONEDNN_OPTS="0")
import numpy as np
import tensorflow as tf
import keras

keras.config.set_floatx("float64")


def cosine(initial, decay_steps, alpha=0.0, warmup_target=None, warmup_steps=0, steps=None):
    exact = lambda v: None if v is None else tf.constant(v, "float64")
    s = keras.optimizers.schedules.CosineDecay(exact(initial), decay_steps, alpha=alpha, warmup_target=exact(warmup_target), warmup_steps=warmup_steps)
    rate = [float(s(np.int64(i))) for i in range(steps or decay_steps + warmup_steps + 3)]
    return dict(initial=initial, decay_steps=decay_steps, alpha=alpha, warmup_target=warmup_target, warmup_steps=warmup_steps, rate=rate)


def plateau(mode, metric, initial=1e-3, **how):
    how = dict(factor=.1, patience=10, min_delta=1e-4, cooldown=0, min_lr=0.0) | how
    m = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    m.compile(optimizer=keras.optimizers.SGD(initial), loss="mse")
    c = keras.callbacks.ReduceLROnPlateau(monitor="val_f1", mode=mode, **how)
    c.set_model(m)
    c.on_train_begin()
    rate = []
    for epoch, v in enumerate(metric):
        c.on_epoch_end(epoch, {"val_f1": np.float64("nan") if v is None else v})
        rate.append(float(m.optimizer.learning_rate.numpy()))
    return dict(mode=mode, initial=initial, **how, metric=metric, rate=rate)


rng = np.random.default_rng(1)
noisy = (0.5 + 0.4 * (1 - np.exp(-np.arange(40) / 6)) + rng.normal(0, .02, 40)).round(6).tolist()
flat = [.5] * 12
out = dict(keras=keras.__version__, cosine=[
    cosine(1e-3, 20),
    cosine(1e-3, 20, alpha=.05),
    cosine(0.0, 17, warmup_target=2e-3, warmup_steps=5),
    cosine(1e-4, 17, alpha=.1, warmup_target=3e-3, warmup_steps=1),
    cosine(5e-3, 6, warmup_target=1e-3, warmup_steps=4),        # a warm-up that goes down
    cosine(1e-3, 9, warmup_target=1e-3, warmup_steps=0),
    cosine(1e-3, 1, alpha=.5),
    cosine(1e-3, 5, alpha=1.0),
], plateau=[
    plateau("max", noisy, patience=3),
    plateau("max", noisy, patience=3, factor=.5, cooldown=2),
    plateau("max", noisy, patience=1, factor=.5, min_delta=.03),
    plateau("max", noisy, patience=2, factor=.3, min_lr=1e-4),
    plateau("min", [round(1 - v, 6) for v in noisy], patience=2, factor=.5, cooldown=1, min_delta=0.0),
    plateau("max", flat, patience=2, factor=.5, min_delta=0.0),                     # ties are no improvement
    plateau("max", flat, patience=2, factor=.5, cooldown=2, min_delta=0.0),
    plateau("max", flat, patience=1, factor=.5, cooldown=3, min_lr=2.5e-4),         # at min_lr nothing is reduced any more
    plateau("max", flat, patience=0, factor=.5),
    plateau("max", [.5, .50009, .50021, .50022, .50043, .5], patience=1, factor=.5),
    plateau("max", [None, .5, .6, .7, .8], patience=2, factor=.5),                  # NaN first: nothing is better
    plateau("max", [.5, None, .6, None, None, .7], patience=2, factor=.5),
])
json.dump(out, sys.stdout, indent=None, separators=(",", ":"))
