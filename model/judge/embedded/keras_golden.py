"""Golden test vectors from real Keras for Masking(0) -> LSTM -> Dropout -> Dense(relu) -> Dense(1, sigmoid).

Made with Keras 3.15.1, TensorFlow 2.21.0 (tensorflow-cpu), NumPy 2.4.6, Python 3.11, on one CPU thread.
Usage: python keras_golden.py OUTDIR [--seed N]       (about 2 minutes)
The npz files beside this script, and manifest.json, are some of the cases that it makes with seed 1.

Each case is OUTDIR/NAME.npz, without object arrays; OUTDIR/manifest.json gives its kind, shape, loss, hyperparameters and
purpose.  Arrays are float64 from a float64 Keras run; those named _f32 are float32 from a float32 run on the same numbers
(weights are multiples of 1/4096, inputs of 1/1024).  In prod* and wide, results are rounded to 40 bits (error < 1e-12).

kind "gradient": x y mask [sample_weight] h h_last c_last logit probability loss_rows loss d/NAME d/x
    h: the LSTM's sequence output; a masked step repeats the step before it (0 before the first unmasked step).
    Where h_rows is given, h holds only those rows.  loss_rows: each row's loss before weights.
kind "optimizer": x [5,B,T,F] y [5,B] learning_rate [5], NAME = start, and after steps K = 1..5: stepK/loss,
    stepK/d/NAME (gradient before clipping), stepK/NAME, stepK/m/NAME, stepK/v/NAME.
kind "trajectory": x y val_x val_y, NAME = start, final/NAME, history/KEY [epochs] as model.fit reports, history/auc_exact
    and history/val_auc_exact (trapezoid over all distinct thresholds), probability [epochs,N] (what the training metrics
    see: each batch before its update), val_probability [epochs,M] (after the epoch).
"""
import argparse
import json
import os
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1",
                  TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", TF_ENABLE_ONEDNN_OPTS="0")
import numpy as np
import tensorflow as tf
import keras
from keras import layers, ops

NAMES = ["lstm/kernel", "lstm/recurrent_kernel", "lstm/bias", "dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
CLASS_WEIGHT = {0: 0.6, 1: 2.7}
# (B, T, F, H, D); trajectories: (T, F, H, D), row counts N, batch size, validation rows
SIZES = dict(tiny=(2, 1, 1, 1, 1), ragged=(3, 7, 5, 21, 13), mask=(6, 9, 3, 10, 6), loss=(8, 6, 4, 7, 5), sat=(12, 4, 3, 16, 20),
               prod=(32, 60, 6, 64, 32), wide=(4, 30, 51, 128, 32), opt=(4, 6, 3, 5, 4), traj=(12, 6, 16, 8), N=(96, 70), batch=32, val=40)


def weights(rng, F, H, D, zero_bias=False):
    """Seven arrays on a 1/4096 grid, 1.5 times as wide as Glorot; biases not zero unless asked for."""
    u = lambda limit, *shape: np.round(rng.uniform(-limit, limit, shape) * 4096) / 4096 + 0.0
    g = lambda a, b: 1.5 * np.sqrt(6 / (a + b))
    w = [u(g(F, H), F, 4 * H), u(g(H, H), H, 4 * H), u(.3, 4 * H), u(g(H, D), H, D), u(.3, D), u(g(D, 1), D, 1), u(.3, 1)]
    w[2][H:2 * H] += 1
    w[4], w[6] = (np.zeros(D), np.zeros(1)) if zero_bias else (w[4], w[6])
    return w


def data(rng, B, T, F, mask="none", y=None):
    """Labels 0/1 that shift the mean of x; x has no zero except where the mask puts one (row by row, b = row)."""
    y = np.r_[[1., 0.], rng.random(B) < .4][:B] if y is None else y
    x = np.round((rng.normal(size=(B, T, F)) + .6 * (2 * y - 1)[:, None, None]) * 1024) / 1024
    x[x == 0] = 1 / 1024
    for b in range(B):
        k = ["none", "right", "left", "holes", "all", "last"][b % 6] if mask == "mixed" else mask
        cut = int(rng.integers(1, max(T, 2)))
        plain = dict(right=slice(cut, T), left=slice(cut), last=slice(T - 1, T), all=slice(T), one_row=slice(T * (b == 1)),
                     holes=1 + rng.permutation(max(T - 2, 0))[:max(1, T // 3)])
        if k in plain:
            x[b, plain[k]] = 0
        if k == "some_features":            # not masked: at least one feature is not zero
            x[b, b % T, 1:] = x[b, (b + 2) % T, 0] = 0
        if k == "negative_zero":            # all features -0.0: masked; all but one: not masked
            x[b, b % T] = x[b, (b + 1) % T, :-1] = -0.0
            x[b, (b + 3) % T] = 0
        if k == "nan" and b % 2:            # one NaN among zeros: not masked
            x[b, b % T] = x[b, (b + 2) % T] = 0
            x[b, b % T, 0] = np.nan
    return x, y


def exact_auc(y, p):
    """Area under the ROC curve by the trapezoid over every distinct threshold."""
    t = np.r_[np.inf, np.unique(p)[::-1]]
    return np.trapezoid([(p[y > 0] >= v).mean() for v in t], [(p[y == 0] >= v).mean() for v in t])


def trim(a, bits=40):
    m, e = np.frexp(a)
    return np.ldexp(np.round(np.ldexp(m, bits)), e - bits)


def build(T, F, H, D, w, dtype="float64", rate=0.3):
    keras.backend.clear_session()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    m = keras.Sequential([keras.Input((T, F)), layers.Masking(0.0), layers.LSTM(H), layers.Dropout(rate),
                          layers.Dense(D, activation="relu"), layers.Dense(1, activation="sigmoid")])
    m.set_weights(w)
    return m


def focal(alpha, gamma, eps=1e-7):
    """The project's own focal loss, one value per row, with the probability clipped."""
    def focal_loss(y_true, y_pred):
        y = ops.cast(y_true, y_pred.dtype)
        p = ops.clip(y_pred, eps, 1 - eps)
        pt = y * p + (1 - y) * (1 - p)
        at = y * alpha + (1 - y) * (1 - alpha)
        return ops.mean(at * ops.power(1 - pt, gamma) * -ops.log(pt), axis=-1)
    return focal_loss


def losses(name, alpha, gamma):
    """(loss for compile, function of one value per row).  "bce": Keras finds the logit behind the sigmoid and uses that."""
    kf, own = dict(apply_class_balancing=True, alpha=alpha, gamma=gamma), focal(alpha, gamma)
    hidden_logit = lambda y, p: keras.losses.binary_crossentropy(y, p * 1.0)
    return {"bce": ("binary_crossentropy", keras.losses.binary_crossentropy), "bce_clipped": (hidden_logit, hidden_logit),
            "focal": (own, own), "focal_scalar": (lambda y, p: ops.mean(own(y, p)), own),
            "keras_focal": (keras.losses.BinaryFocalCrossentropy(**kf), lambda y, p: keras.losses.binary_focal_crossentropy(y, p, **kf))}[name]


def forward_backward(w, x, y, sw, loss, dtype):
    (B, T, F), (H, D) = x.shape, w[3].shape
    m = build(T, F, H, D, w, dtype)
    loss = losses(*loss)                                              # behind build: a Loss object keeps the floatx of its making
    m.compile(optimizer=keras.optimizers.SGD(0.0), loss=loss[0])
    xt = tf.constant(x, dtype)
    with tf.GradientTape() as tape:                                   # as train_step does, with dropout off
        tape.watch(xt)
        p = m(xt)
        total = m.compute_loss(xt, tf.constant(y, dtype), p, None if sw is None else tf.constant(sw, dtype))
    grads = tape.gradient(total, m.trainable_variables + [xt])
    seq = layers.LSTM(H, return_sequences=True, return_state=True)    # the same LSTM, to see its states
    seq.build((B, T, F))
    seq.set_weights(w[:3])
    h, h_last, c_last = seq(m.layers[0](xt))
    out = dict(h=h, h_last=h_last, c_last=c_last, logit=p._keras_logits[:, 0], probability=p[:, 0], loss=total,
               loss_rows=loss[1](tf.constant(y[:, None], dtype), p), mask=tf.cast(m.layers[0].compute_mask(xt), dtype))
    return {k: v.numpy() for k, v in {**out, **{"d/" + n: g for n, g in zip(NAMES + ["x"], grads)}}.items()}


class Writer:
    def __init__(self, out, seed):
        self.out, self.seed, self.cases = out, seed, {}
        os.makedirs(out, exist_ok=True)

    def rng(self, name):                                              # every case has numbers of its own
        return np.random.default_rng([self.seed] + list(name.encode()))

    def save(self, name, arrays, shape, **info):
        np.savez_compressed(os.path.join(self.out, name + ".npz"), **arrays)
        self.cases[name] = dict(shape=dict(zip("BTFHD"[-len(shape):], shape)), **info)
        with open(os.path.join(self.out, "manifest.json"), "w") as f:
            json.dump(dict(keras=keras.__version__, tensorflow=tf.__version__, seed=self.seed, cases=self.cases), f, indent=1)
        print(name, flush=True)

    def gradient(self, name, shape, about, mask="none", loss="bce", weighted=False, alpha=.25, gamma=2.0, large=False, zero_bias=False, logits=None):
        rng, (B, T, F, H, D) = self.rng(name), shape
        x, y = data(rng, B, T, F, mask, None if logits is None else np.arange(B) // 2 % 2 * 1.0)
        w = weights(rng, F, H, D, zero_bias)
        if logits is not None:                                        # choose dense_1/kernel so that row b gets about logits[b]
            w[4] += 2
            m = build(T, F, H, D, w)
            a = keras.Model(m.inputs[0], m.layers[3].output)(x).numpy()
            w[5] = np.round(np.linalg.lstsq(a, (logits - w[6])[:, None], rcond=None)[0] * 4096) / 4096
        sw = np.where(y > 0, CLASS_WEIGHT[1], CLASS_WEIGHT[0]) if weighted else None
        r, r32 = (forward_backward(w, x, y, sw, (loss, alpha, gamma), dt) for dt in ("float64", "float32"))
        drop = {"h", "mask", "loss_rows", "c_last", "d/x"} | (set(r) if large else set()) - {"h_last", "logit", "probability", "loss"}
        if mask == "nan":                                             # all gradients are NaN
            r, r32 = ({k: v for k, v in q.items() if not k.startswith("d/")} for q in (r, r32))
        if large:
            rows = np.unique(np.minimum([0, 1, 2, 3, 5] if mask == "mixed" else [0], B - 1))
            r = {k: trim(v[rows] if k == "h" else v) for k, v in r.items()} | {"h_rows": rows.astype("d")}
        arrays = dict(zip(NAMES, w), x=x, y=y, **r, **{k + "_f32": v for k, v in r32.items() if k not in drop}, **({"sample_weight": sw} if weighted else {}))
        self.save(name, arrays, shape, kind="gradient", mask=mask, loss=loss, weighted=weighted, alpha=alpha, gamma=gamma, about=about)

    def optimizer(self, name, shape, about, make, lrs=(1e-3,) * 5, **hyper):
        rng, (B, T, F, H, D) = self.rng(name), shape
        w, batches = weights(rng, F, H, D), [data(rng, B, T, F, "mixed") for _ in lrs]
        arrays = dict(zip(NAMES, w)) | dict(x=np.stack([b[0] for b in batches]), y=np.stack([b[1] for b in batches]), learning_rate=np.array(lrs))
        for dtype in ("float32", "float64"):
            m, opt = build(T, F, H, D, w, dtype, rate=0), make()
            m.compile(optimizer=opt, loss="binary_crossentropy")
            for k, (lr, (x, y)) in enumerate(zip(lrs, batches), 1):
                opt.learning_rate = lr
                with tf.GradientTape() as tape:
                    loss = m.compute_loss(x, tf.constant(y, dtype), m(tf.constant(x, dtype)))
                grads = tape.gradient(loss, m.trainable_variables)
                m.train_on_batch(x, y)
                slots = opt.variables[2:]                             # behind iteration and learning_rate: m, v, m, v, ...
                now = {"d/": grads, "": m.trainable_variables, "m/": slots[0::2], "v/": slots[1::2]}
                if dtype == "float64":
                    arrays[f"step{k}/loss"] = loss.numpy()
                    arrays |= {f"step{k}/{s}{n}": v.numpy() for s, vs in now.items() for n, v in zip(NAMES, vs)}
            arrays |= {f"step5/{n}_f32": v.numpy() for n, v in zip(NAMES, m.trainable_variables) if dtype == "float32"}
        self.save(name, arrays, shape, kind="optimizer", loss="bce", about=about, **hyper)

    def trajectory(self, name, N, batch, M, shape, about, make, class_weight=None, epochs=12, **hyper):
        rng, (T, F, H, D) = self.rng(name), shape
        w, (x, y), (vx, vy) = weights(rng, F, H, D), data(rng, N, T, F, "mixed"), data(rng, M, T, F, "mixed")
        m, me = build(T, F, H, D, w, rate=0), keras.metrics
        m.compile(optimizer=make(), loss="binary_crossentropy", metrics=["accuracy", me.AUC(name="auc"), me.Precision(name="precision"), me.Recall(name="recall")])
        p, val_p = [], []                                             # probabilities: before each batch's update; after each epoch
        spy = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda b, logs: p.extend(m(x[b * batch:(b + 1) * batch]).numpy()[:, 0]),
                                             on_epoch_end=lambda e, logs: val_p.append(m(vx).numpy()[:, 0]))
        hist = m.fit(x, y, epochs=epochs, batch_size=batch, shuffle=False, validation_data=(vx, vy), callbacks=[spy], verbose=0, class_weight=class_weight).history
        p = np.array(p).reshape(epochs, N)
        sw = np.where(y > 0, class_weight[1], class_weight[0]) if class_weight else 1.0
        by_hand = (sw * -np.log(np.where(y > 0, p, 1 - p))).sum(1) / N
        assert np.abs(by_hand - hist["loss"]).max() < 1e-12           # fit's loss: sum over rows of weight * loss, over N
        hist |= dict(auc_exact=[exact_auc(y, q) for q in p], val_auc_exact=[exact_auc(vy, q) for q in val_p])
        arrays = dict(zip(NAMES, w)) | dict(x=x, y=y, val_x=vx, val_y=vy, probability=p, val_probability=np.array(val_p))
        arrays |= {"history/" + k: np.array(v) for k, v in hist.items()} | {"final/" + n: v.numpy() for n, v in zip(NAMES, m.trainable_variables)}
        self.save(name, arrays, shape, kind="trajectory", N=N, batch=batch, epochs=epochs, class_weight=class_weight, about=about, **hyper)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("outdir")
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    S, W, K = SIZES, Writer(a.outdir, a.seed), keras.optimizers
    W.gradient("tiny", S["tiny"], "the smallest shapes")
    W.gradient("ragged", S["ragged"], "sizes that are no multiple of 4")
    W.gradient("ragged_mixed", S["ragged"], "the same with masks", mask="mixed")
    W.gradient("prod", S["prod"], "production shape, no mask", large=True)
    W.gradient("prod_mixed_weighted", S["prod"], "production shape, every kind of mask, class weights", mask="mixed", weighted=True, large=True)
    W.gradient("wide", S["wide"], "many features and units", mask="mixed", large=True)
    for kind, about in dict(none="no mask", right="right padding", left="left padding", holes="masked steps in the middle", last="only the last step masked",
                            one_row="row 1 fully masked", all="every row fully masked", mixed="row b: none, right, left, holes, all, last by b % 6",
                            some_features="steps with some features zero are not masked", negative_zero="-0.0 counts as 0",
                            nan="NaN is not 0, so the step is used; forward only, odd rows become NaN").items():
        W.gradient("mask_" + kind, S["mask"], about, mask=kind)
    W.gradient("mask_all_zero_bias", S["mask"], "every row fully masked, Dense biases 0 as at the start: relu'(0) = 0", mask="all", zero_bias=True)
    for loss in ("bce", "focal", "keras_focal"):
        W.gradient("loss_" + loss, S["loss"], "the loss alone", mask="mixed", loss=loss)
        W.gradient("loss_" + loss + "_weighted", S["loss"], "with class weights", mask="mixed", loss=loss, weighted=True)
    W.gradient("loss_focal_scalar_weighted", S["loss"], "a loss that returns one number: the mean weight", mask="mixed", loss="focal_scalar", weighted=True)
    for loss in ("focal", "keras_focal"):
        W.gradient(f"loss_{loss}_other", S["loss"], "other alpha and gamma", mask="mixed", loss=loss, alpha=.6, gamma=1.5)
    z = np.array([40, -40, -40, 40, 20, -20, -20, 20, 16.05, -16.05, -16.2, 1.5])      # labels 0 0 1 1 ...: wrong, right, wrong, right
    for loss in ("bce", "bce_clipped", "focal", "keras_focal"):
        W.gradient("saturated_" + loss, S["sat"], "logits to +-40, half of them wrong", loss=loss, logits=z)
    W.optimizer("adam", S["opt"], "Adam defaults; Keras rounds beta_1, beta_2 to float32 in the bias correction, in float64 runs too", lambda: K.Adam(1e-3))
    W.optimizer("adam_exact_betas", S["opt"], "the same with beta_1, beta_2 given as float64 tensors, so not rounded",
                lambda: K.Adam(1e-3, beta_1=tf.constant(.9, keras.config.floatx()), beta_2=tf.constant(.999, keras.config.floatx())), exact_betas=True)
    W.optimizer("adam_clipnorm", S["opt"], "each gradient array clipped by its norm", lambda: K.Adam(1e-3, clipnorm=.24), clipnorm=.24)
    W.optimizer("adam_global_clipnorm", S["opt"], "all gradients clipped by the common norm", lambda: K.Adam(1e-3, global_clipnorm=.46), global_clipnorm=.46)
    W.optimizer("adamw", S["opt"], "decoupled weight decay, biases too", lambda: K.AdamW(1e-3, weight_decay=.05), weight_decay=.05)
    W.optimizer("adam_lr_change", S["opt"], "the learning rate changes between steps, m and v stay", lambda: K.Adam(1e-3), lrs=(1e-3, 1e-3, 5e-4, 5e-4, 1e-4))
    for name, N, about in (("trajectory_sgd", S["N"][0], "whole batches"), ("trajectory_sgd_short_batch", S["N"][1], "the last batch is short")):
        W.trajectory(name, N, S["batch"], S["val"], S["traj"], about, lambda: K.SGD(.05), optimizer="SGD", learning_rate=.05)
    W.trajectory("trajectory_adam_class_weight", S["N"][1], S["batch"], S["val"], S["traj"], "Adam, class weights, short last batch",
                 lambda: K.Adam(.01), class_weight=CLASS_WEIGHT, optimizer="Adam", learning_rate=.01)


if __name__ == "__main__":
    main()
