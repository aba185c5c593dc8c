"""Golden test vectors from real Keras for Masking(0) -> LSTM layers, of one or both directions -> Dropout -> Dense(relu) -> Dense(1, sigmoid).

Made with Keras 3.15.1, TensorFlow 2.21.0 (tensorflow-cpu), NumPy 2.4.6, Python 3.11, on one CPU thread.
Usage: python stack_golden.py OUTDIR [--seed N] [--large]       (about 2 minutes; --large adds production shapes)
It adds its cases to OUTDIR/manifest.json where that exists, so that one folder can hold keras_golden.py's as well.

The form is keras_golden.py's. What differs:
- "layers" in the manifest lists the LSTM layers: name, units, bidirectional. Arrays are called as the layers' variables
  are: lstm_1/kernel, bidirectional/forward_lstm/kernel, bidirectional/backward_lstm/kernel, ...
- An array PREFIX* holds PREFIX+NAME of all variables, one behind the other in their order, since an npz is dear in small arrays:
  "*" is the start, "d/*" the gradient, "step1/m/*", "final/*", ... "shape" in the manifest is needed to part it.
- kind "gradient" has h_last, what the last LSTM layer hands on, and no states inside; mask "one" leaves one step of each row.
- kind "optimizer": "l2" is a regularizers.L2 on every kernel and recurrent kernel. stepK/loss and stepK/d are without the
  penalty, what the step makes of them is with it. Keras rounds l2 to float32; these numbers stay as they are.
- kind "trajectory": learning_rate [epochs * steps], of each step, where it is no constant.
"""
import argparse
import json
import os
import numpy as np
import keras_golden as base                     # sets the environment before TensorFlow is imported
import tensorflow as tf
import keras
from keras import layers

flat = lambda arrays: np.concatenate([np.ravel(a) for a in arrays])
F64 = lambda v: tf.constant(v, "float64")       # a Python float is rounded to float32 in schedules


class Chain:
    """A network in sizes: units, negative for both directions."""
    def __init__(self, T, F, units, D):
        self.T, self.F, self.units, self.D, self.layers, count = T, F, units, D, [], {}
        for u in units:
            kind = "lstm" if u > 0 else "bidirectional"
            n = count[kind] = count.get(kind, -1) + 1
            self.layers.append(dict(name=f"{kind}_{n}" if n else kind, units=abs(u), bidirectional=u < 0))
        self.names = []
        for l in self.layers:
            for cell in [f"{l['name']}/forward_lstm", f"{l['name']}/backward_lstm"] if l["bidirectional"] else [l["name"]]:
                self.names += [f"{cell}/{v}" for v in ("kernel", "recurrent_kernel", "bias")]
        self.names += ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]

    def weights(self, rng):
        """Arrays on a 1/4096 grid, 1.5 times as wide as Glorot; biases not zero; forget blocks around 1."""
        u = lambda limit, *shape: np.round(rng.uniform(-limit, limit, shape) * 4096) / 4096 + 0.0
        g = lambda a, b: 1.5 * np.sqrt(6 / (a + b))
        w, n = [], self.F
        for l in self.layers:
            H = l["units"]
            for _ in range(1 + l["bidirectional"]):
                w += [u(g(n, H), n, 4 * H), u(g(H, H), H, 4 * H), u(.3, 4 * H)]
                w[-1][H:2 * H] += 1
            n = H * (1 + l["bidirectional"])
        return w + [u(g(n, self.D), n, self.D), u(.3, self.D), u(g(self.D, 1), self.D, 1), u(.3, 1)]

    def build(self, w, dtype="float64", rate=0, l2=0):
        keras.backend.clear_session()
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        r = lambda: keras.regularizers.L2(l2) if l2 else None
        stack = [keras.Input((self.T, self.F)), layers.Masking(0.0)]
        for i, l in enumerate(self.layers):
            cell = layers.LSTM(l["units"], return_sequences=i + 1 < len(self.layers), kernel_regularizer=r(), recurrent_regularizer=r(),
                               name="lstm" if l["bidirectional"] else l["name"])
            stack.append(layers.Bidirectional(cell, name=l["name"]) if l["bidirectional"] else cell)
        stack += [layers.Dropout(rate), layers.Dense(self.D, activation="relu", kernel_regularizer=r()),
                  layers.Dense(1, activation="sigmoid", kernel_regularizer=r())]
        m = keras.Sequential(stack)
        paths = ["/".join(v.path.split("/")[1:]).replace("lstm_cell/", "") for v in m.trainable_variables]
        for path, name in zip(paths, self.names):           # the same order: Keras's own
            assert path.split("/")[0] == name.split("/")[0] and path.split("/")[-1] == name.split("/")[-1], (path, name)
            assert ("backward" in path) == ("backward" in name) and ("forward" in path) == ("forward" in name), (path, name)
        m.set_weights(w)
        return m

    def info(self, B=None):
        return dict(shape=dict(**({"B": B} if B else {}), T=self.T, F=self.F, D=self.D), layers=self.layers)


def data(rng, B, T, F, mask):
    if mask != "one":
        return base.data(rng, B, T, F, mask)
    x, y = base.data(rng, B, T, F)                          # one step is left of each row: the first, the last, any
    for b in range(B):
        x[b, np.arange(T) != [0, T - 1, int(rng.integers(T))][b % 3]] = 0
    return x, y


def forward_backward(c, w, x, y, sw, loss, dtype):
    m = c.build(w, dtype, rate=.3)                          # off in inference
    loss = base.losses(*loss)
    m.compile(optimizer=keras.optimizers.SGD(0.0), loss=loss[0])
    xt = tf.constant(x, dtype)
    with tf.GradientTape() as tape:
        tape.watch(xt)
        p = m(xt)
        total = m.compute_loss(xt, tf.constant(y, dtype), p, None if sw is None else tf.constant(sw, dtype))
    grads = tape.gradient(total, m.trainable_variables + [xt])
    h_last = keras.Model(m.inputs[0], m.layers[len(c.layers)].output)(xt)
    out = dict(h_last=h_last, logit=p._keras_logits[:, 0], probability=p[:, 0], loss=total,
               loss_rows=loss[1](tf.constant(y[:, None], dtype), p), mask=tf.cast(m.layers[0].compute_mask(xt), dtype))
    return {k: v.numpy() for k, v in out.items()} | {"d/*": flat(g.numpy() for g in grads[:-1]), "d/x": grads[-1].numpy()}


class Writer(base.Writer):
    def __init__(self, out, seed):
        super().__init__(out, seed)
        self.manifest = os.path.join(out, "manifest.json")
        if os.path.exists(self.manifest):
            self.cases = json.load(open(self.manifest))["cases"]

    def save(self, name, arrays, **info):
        np.savez_compressed(os.path.join(self.out, name + ".npz"), **arrays)
        self.cases[name] = info
        with open(self.manifest, "w") as f:
            json.dump(dict(keras=keras.__version__, tensorflow=tf.__version__, seed=self.seed, cases=self.cases), f, indent=1)
        print(name, flush=True)

    def gradient(self, name, c, about, B=6, mask="mixed", loss="bce", weighted=False, alpha=.25, gamma=2.0, large=False, mask_only=False):
        rng = self.rng(name)
        x, y = data(rng, B, c.T, c.F, mask)
        w = c.weights(rng)
        sw = np.where(y > 0, base.CLASS_WEIGHT[1], base.CLASS_WEIGHT[0]) if weighted else None
        r, r32 = (forward_backward(c, w, x, y, sw, (loss, alpha, gamma), dt) for dt in ("float64", "float32"))
        keep = ["logit", "probability", "loss", "h_last"] + ["d/*"] * (not mask_only)
        if large:
            r = {k: base.trim(v) for k, v in r.items()}
        arrays = dict({"*": flat(w)}, x=x, y=y, **r, **{k + "_f32": r32[k] for k in keep}, **({"sample_weight": sw} if weighted else {}))
        self.save(name, arrays, kind="gradient", mask=mask, loss=loss, weighted=weighted, alpha=alpha, gamma=gamma, about=about, **c.info(B))

    def optimizer(self, name, c, about, make, steps=3, B=4, l2=0, **hyper):
        rng = self.rng(name)
        w, batches = c.weights(rng), [data(rng, B, c.T, c.F, "mixed") for _ in range(steps)]
        rates = np.array([1e-3, 1e-3, 5e-4, 2e-3, 1e-3][:steps])
        arrays = dict({"*": flat(w)}, x=np.stack([b[0] for b in batches]), y=np.stack([b[1] for b in batches]), learning_rate=rates)
        m, opt = c.build(w, l2=l2), make()
        m.compile(optimizer=opt, loss="binary_crossentropy")
        for k, (lr, (x, y)) in enumerate(zip(rates, batches), 1):
            opt.learning_rate = lr
            with tf.GradientTape() as tape:
                total = m.compute_loss(x, tf.constant(y), m(tf.constant(x)))
                loss = total - sum(m.losses) if l2 else total          # without the penalty
            grads = tape.gradient(loss, m.trainable_variables)
            m.train_on_batch(x, y)
            slots = opt.variables[2:]
            arrays[f"step{k}/loss"] = loss.numpy()
            for s, vs in {"d/": grads, "": m.trainable_variables, "m/": slots[0::2], "v/": slots[1::2]}.items():
                arrays[f"step{k}/{s}*"] = flat(v.numpy() for v in vs)
        self.save(name, arrays, kind="optimizer", loss="bce", about=about, **hyper, **({"l2": l2} if l2 else {}), **c.info(B))

    def trajectory(self, name, c, about, make, N=38, batch=16, M=20, epochs=8, class_weight=None, loss="bce", alpha=.25, gamma=2.0, callbacks=(), **hyper):
        rng = self.rng(name)
        w, (x, y), (vx, vy) = c.weights(rng), data(rng, N, c.T, c.F, "mixed"), data(rng, M, c.T, c.F, "mixed")
        m, me = c.build(w), keras.metrics
        m.compile(optimizer=make(), loss=base.losses(loss, alpha, gamma)[0],
                  metrics=["accuracy", me.AUC(name="auc"), me.Precision(name="precision"), me.Recall(name="recall")])
        p, val_p, rate = [], [], []
        def begin(b, logs):
            p.extend(m(x[b * batch:(b + 1) * batch]).numpy()[:, 0])
            rate.append(m.optimizer.learning_rate.numpy())
        spy = keras.callbacks.LambdaCallback(on_train_batch_begin=begin, on_epoch_end=lambda e, logs: val_p.append(m(vx).numpy()[:, 0]))
        hist = m.fit(x, y, epochs=epochs, batch_size=batch, shuffle=False, validation_data=(vx, vy), callbacks=[spy, *callbacks], verbose=0,
                     class_weight=class_weight).history
        hist.pop("learning_rate", None)
        p = np.array(p).reshape(epochs, N)
        hist |= dict(auc_exact=[base.exact_auc(y, q) for q in p], val_auc_exact=[base.exact_auc(vy, q) for q in val_p])
        arrays = dict({"*": flat(w)}, x=x, y=y, val_x=vx, val_y=vy, probability=p, val_probability=np.array(val_p), learning_rate=np.array(rate))
        assert arrays["learning_rate"].dtype == np.float64
        arrays |= {"history/" + k: np.array(v) for k, v in hist.items()} | {"final/*": flat(v.numpy() for v in m.trainable_variables)}
        self.save(name, arrays, kind="trajectory", N=N, batch=batch, epochs=epochs, class_weight=class_weight, loss=loss, alpha=alpha, gamma=gamma,
                  about=about, **hyper, **c.info())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("outdir")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--large", action="store_true")
    a = ap.parse_args()
    W, K = Writer(a.outdir, a.seed), keras.optimizers
    W.gradient("stack_two", Chain(9, 4, [12, 7], 5), "two layers, the second smaller")
    W.gradient("stack_three", Chain(7, 3, [5, 9, 4], 5), "three layers")
    W.gradient("bidirectional", Chain(9, 4, [-9], 5), "one layer of both directions")
    W.gradient("bidirectional_two", Chain(7, 3, [-5, -4], 4), "two layers of both directions", weighted=True)
    W.gradient("bidirectional_focal", Chain(6, 3, [-5, 5], 4), "both directions, then one; focal loss, other alpha and gamma, class weights",
               loss="keras_focal", alpha=.6, gamma=3.0, weighted=True)
    mixed = Chain(8, 3, [4, -3, 5], 4)
    for mask, about in dict(none="no mask", right="right padding", left="left padding", holes="masked steps in the middle",
                            all="every row fully masked", one="one step of each row").items():
        W.gradient("chain_" + mask, mixed, f"one direction, both, one: {about}", B=3, mask=mask, mask_only=True)
    W.optimizer("adamw_global_clipnorm_stack", Chain(5, 2, [-2, 3], 2), "decoupled weight decay and the common norm, both directions, then one",
                lambda: K.AdamW(1e-3, weight_decay=.05, global_clipnorm=.46), weight_decay=.05, global_clipnorm=.46)
    W.optimizer("adam_clipnorm_stack", Chain(5, 2, [3, -2], 2), "each gradient array clipped by its own norm, one direction, then both",
                lambda: K.Adam(1e-3, clipnorm=.1), clipnorm=.1)
    W.optimizer("adam_l2", Chain(5, 2, [3], 2), "L2 on every kernel", lambda: K.Adam(1e-3), l2=1 / 64)
    W.optimizer("adamw_l2_global_clipnorm_stack", Chain(5, 2, [-2, 3], 2), "L2 on every kernel, counted in the common norm, and weight decay",
                lambda: K.AdamW(1e-3, weight_decay=.03, global_clipnorm=.5), l2=3 / 64, weight_decay=.03, global_clipnorm=.5)
    W.optimizer("adam_l2_clipnorm", Chain(5, 2, [3], 2), "L2 on every kernel, counted in each norm", lambda: K.Adam(1e-3, clipnorm=.2), l2=3 / 32, clipnorm=.2)
    W.trajectory("trajectory_cosine", Chain(8, 3, [-4, 4], 4), "cosine decay with warm-up, a learning rate for each step",
                 lambda: K.SGD(K.schedules.CosineDecay(F64(0.), 15, alpha=.1, warmup_target=F64(.3), warmup_steps=6)), optimizer="SGD")
    W.trajectory("trajectory_plateau", Chain(8, 3, [6, 4], 4), "focal loss, other alpha and gamma, class weights, and a learning rate that falls on plateaus",
                 lambda: K.SGD(.4), loss="keras_focal", alpha=.7, gamma=1.5, class_weight=base.CLASS_WEIGHT, optimizer="SGD",
                 callbacks=[keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=.5, patience=1, min_delta=.002, cooldown=1, min_lr=.06)])
    if a.large:
        W.gradient("large_stack", Chain(60, 6, [64, 32], 32), "production shape, 64 and 32 units", B=24, large=True)
        W.gradient("large_bidirectional", Chain(60, 6, [-64], 32), "production shape, both directions", B=24, large=True)
        W.gradient("large_bidirectional_stack", Chain(30, 34, [-64, -32], 32), "both directions twice", B=24, large=True)


if __name__ == "__main__":
    main()
