"""Times single windows in another runtime, for `vklstm bench --latency`:

    python latency.py onnx|tflite FILE WINDOWS T F

WINDOWS holds float32 windows x[n][T][F]. Prints {"version": …, "probability": […]} of all windows, and then, for each
line with a number on standard input, that many calls' times in microseconds as a JSON array. One thread.
"""
import json
import sys
import time

import numpy as np

kind, path, windows, T, F = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
x = np.fromfile(windows, "<f4").reshape(-1, 1, T, F)

if kind == "onnx":
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    version = "onnxruntime " + onnxruntime.__version__

    def call(window):
        return session.run(None, {"x": window})[0]
else:
    import importlib.metadata
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    given, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    version = "LiteRT " + importlib.metadata.version("ai-edge-litert")

    def call(window):
        interpreter.set_tensor(given, window)
        interpreter.invoke()
        return interpreter.get_tensor(result)

print(json.dumps({"version": version, "probability": [float(call(w)[0, 0]) for w in x]}), flush=True)
for line in sys.stdin:
    times = []
    for k in range(int(line)):
        window = x[k % len(x)]
        start = time.perf_counter_ns()
        call(window)
        times.append((time.perf_counter_ns() - start) / 1000)
    print(json.dumps(times), flush=True)
