"""Runs a TFLite file in LiteRT: judge.py MODEL WINDOWS T F; prints the probabilities as JSON, NaN as null. "1" are those of
each window alone, in an interpreter as programs make it, "built in" in one without the XNNPACK delegate.
"""
import json
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

path, windows, T, F = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
x = np.fromfile(windows, "<f4").reshape(-1, T, F)
number = lambda v: None if v != v else float(v)


def run(order, interpreter=None):
    call = interpreter and interpreter.get_signature_runner("serving_default")
    y = {}
    for i in order:
        alone = call or Interpreter(path, num_threads=1).get_signature_runner("serving_default")
        out = alone(x=x[i:i + 1])["y"]
        assert out.shape[0] == 1 and out.ndim == 2 and out.dtype == np.float32, (out.shape, out.dtype)
        y[i] = [number(v) for v in out[0]]
    return [v for i in range(len(x)) for v in y[i]]


every = range(len(x))
plain = Interpreter(path, num_threads=1, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
data = open(path, "rb").read()
print(json.dumps({"batches": {"1": run(every), "in order": run(every, Interpreter(path, num_threads=1)),
                              "-1": run(reversed(every), Interpreter(path, num_threads=1)), "built in": run(every, plain)},
                  "metadata": {"identifier": data[4:8].decode()}}))
