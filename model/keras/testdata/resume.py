"""Goes on training from .keras files: python resume.py MODULE CASES.json, MODULE keras or tf_keras (Keras 2), a list of
{"file", "x" [N][T][F], "y" [N], "probability" [N], "step", "out"}. Loads each, compares predictions and the
iteration, takes one step on all windows, saves OUT.keras, and takes another. OUT.json holds the weights behind each step, flat; of an ensemble (step
-1) the probabilities behind the only step.
"""
import importlib
import json
import os
import sys
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1",
                  TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", TF_ENABLE_ONEDNN_OPTS="0")
import numpy as np

keras = importlib.import_module(sys.argv[1])

for case in json.load(open(sys.argv[2])):
    x, y = np.array(case["x"], "f"), np.array(case["y"], "f")
    m = keras.models.load_model(case["file"])
    error = np.abs(np.asarray(m(x, training=False))[:, 0] - case["probability"]).max()
    assert error <= 1e-5, (case["file"], "predicts otherwise", error)
    flat = lambda: np.concatenate([np.asarray(w).ravel() for w in m.get_weights()]).astype("d").tolist()
    after = []
    if case["step"] >= 0:
        assert int(m.optimizer.iterations.numpy()) == case["step"], (case["file"], m.optimizer.iterations)
        m.run_eagerly = True
        m.train_on_batch(x, y)
        after.append(flat())
        m.save(case["out"] + ".keras")
        m.train_on_batch(x, y)
        after.append(flat())
    else:
        m.run_eagerly = True
        m.train_on_batch(x, y)
        m.save(case["out"] + ".keras")
        after.append(np.asarray(m(x, training=False))[:, 0].astype("d").tolist())
    json.dump(after, open(case["out"] + ".json", "w"))
print(sys.argv[1], keras.__version__)
