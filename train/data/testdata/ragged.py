"""Writes ragged.npz: windows of differing lengths as people keep them, in arrays of objects, and X beside lengths with the same values."""
import numpy as np

r = np.random.default_rng(7)
lengths = np.array([3, 5, 1, 4, 5, 2])
windows = [r.normal(size=(n, 2)) for n in lengths]
windows[1][2, 0] = np.nan


def objects(make):
    x = np.empty(len(windows), object)
    x[:] = [make(i, w) for i, w in enumerate(windows)]
    return x


kinds = [np.float32, np.float64, np.float16, ">f4", ">f8", np.float32]
np.savez("ragged.npz", y=np.arange(6) % 2, lengths=lengths,
         X=objects(lambda i, w: w.astype("f4")),
         mixed=objects(lambda i, w: np.asfortranarray(np.round(w * 64) / 64, kinds[i])),
         padded=np.stack([np.r_[w, np.full((5 - len(w), 2), 9.0)] for w in windows]).astype("f4"),
         lists=np.array([w.tolist() for w in windows], object),
         features=np.array([np.zeros((2, 2)), np.zeros((3, 4))] * 3, object),
         flat=objects(lambda i, w: w[:, 0]),
         empty=objects(lambda i, w: w[:0]))

# One array, named again and again: memory must not grow with how often.
again = np.empty(1000, object)
again[:] = [np.zeros((100, 2), "f4")] * 1000
np.savez("again.npz", X=again, y=np.arange(1000) % 2)
