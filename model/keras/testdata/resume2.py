"""Trains .h5 files of ours in Keras 2 (tf_keras): python resume2.py CASES.json, a list of {"file", "x", "y", "out"}. Takes
four steps on all windows, saves OUT.h5 with the optimizer's state, and takes another. OUT.json holds the
weights behind the last two steps, flat.
"""
import json
import os
import sys
os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1",
                  TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", TF_ENABLE_ONEDNN_OPTS="0")
import numpy as np
import tf_keras

for case in json.load(open(sys.argv[1])):
    x, y = np.array(case["x"], "f"), np.array(case["y"], "f")
    m = tf_keras.models.load_model(case["file"])
    m.run_eagerly = True
    flat = lambda: np.concatenate([np.asarray(w).ravel() for w in m.get_weights()]).astype("d").tolist()
    for _ in range(4):
        m.train_on_batch(x, y)
    after = [flat()]
    m.save(case["out"] + ".h5")
    m.train_on_batch(x, y)
    after.append(flat())
    json.dump(after, open(case["out"] + ".json", "w"))
print("tf_keras", tf_keras.__version__)
