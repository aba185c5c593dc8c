"""Runs a TFLite file in LiteRT: judge.py MODEL WINDOWS T F; prints the probabilities as JSON, NaN as null."""
import json
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

path, windows, T, F = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
x = np.fromfile(windows, "<f4").reshape(-1, T, F)
number = lambda v: None if v != v else float(v)


def run(order):
    interpreter = Interpreter(path, num_threads=1)
    call = interpreter.get_signature_runner("serving_default")
    y = {}
    for i in order:
        out = call(x=x[i:i + 1])["y"]
        assert out.shape == (1, 1) and out.dtype == np.float32, (out.shape, out.dtype)
        y[i] = number(out[0, 0])
    return [y[i] for i in range(len(x))]


alone = []  # each in an interpreter that has seen nothing else
for i in range(len(x)):
    interpreter = Interpreter(path, num_threads=1)
    alone.append(number(interpreter.get_signature_runner("serving_default")(x=x[i:i + 1])["y"][0, 0]))
data = open(path, "rb").read()
print(json.dumps({"batches": {"1": alone, "in order": run(range(len(x))), "-1": run(reversed(range(len(x))))},
                  "metadata": {"identifier": data[4:8].decode()}}))
