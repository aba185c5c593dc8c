"""Runs an ONNX file in onnxruntime: judge.py MODEL WINDOWS T F; prints the probabilities as JSON, NaN as null."""
import json
import sys

import numpy as np
import onnx
import onnxruntime as ort

path, windows, T, F = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
onnx.checker.check_model(path, full_check=True)
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
x = np.fromfile(windows, "<f4").reshape(-1, T, F)
run = lambda part: session.run(["y"], {"x": part})[0]
number = lambda v: None if v != v else float(v)
batches = {}
for size in (1, 32, len(x)):
    y = np.concatenate([run(x[i:i + size]) for i in range(0, len(x), size)])
    assert y.shape[0] == len(x) and y.ndim == 2 and y.dtype == np.float32, (y.shape, y.dtype)
    batches[str(size)] = [number(v) for v in y.ravel()]
back = [run(x[i:i + 1])[0] for i in reversed(range(len(x)))][::-1]
batches["-1"] = [number(v) for v in np.ravel(back)]
print(json.dumps({"batches": batches, "metadata": session.get_modelmeta().custom_metadata_map}))
