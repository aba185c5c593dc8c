"""Writes functional_masked.json: the configuration of a Functional model with a Masking, as Keras 3.15 writes it."""
import json

import keras
from keras import layers as L

x = first = L.Input((5, 3))
for layer in (L.Masking(-1.0), L.LSTM(4, return_sequences=True), L.LSTM(2), L.Dense(3, "softmax")):
    x = layer(x)
config = json.loads(keras.Model(first, x).to_json())["config"]
assert [l["class_name"] for l in config["layers"]].count("NotEqual") == 1
json.dump(config, open("functional_masked.json", "w"))
