"""Checks DIR/ours.h5 (written by TestH5py) with h5py and writes DIR/theirs.h5 for the reader. Usage: python h5py_judge.py DIR"""
import os
import sys
import h5py
import numpy as np

dir = sys.argv[1]
text = lambda s: s.decode() if isinstance(s, bytes) else s
with h5py.File(os.path.join(dir, "ours.h5")) as f:
    assert sorted(f.attrs) == ["empty", "list", "none", "text"], list(f.attrs)
    assert text(f.attrs["text"]) == "größe" and text(f.attrs["empty"]) == "", dict(f.attrs)
    assert [text(s) for s in f.attrs["list"]] == ["a", "", "ccc"] and f.attrs["none"].shape == (0,)
    sets = {a: f.attrs.get_id(a).get_type().get_cset() for a in f.attrs}
    assert sets == {"text": h5py.h5t.CSET_UTF8, "empty": 0, "list": 0, "none": 0}, sets
    assert list(f) == ["bare", "deep", "many"] and list(f["bare"]) == [] and len(f["many"]) == 100
    for i in range(100):
        d = f[f"many/x{i}"]
        assert d.dtype == np.dtype("<f4") and (d[()] == np.array([[i, -1, .5]], "f")[:, :i % 3 + 1]).all(), i
    assert (f["deep/er/w"][()] == np.arange(1, 7).reshape(2, 3)).all() and np.isposinf(f["deep/er/v"][0])
# Writing to it needs sound free space, heaps and trees.
with h5py.File(os.path.join(dir, "ours.h5"), "a") as f:
    f["many/new"] = 1.0
    f.attrs["new"] = "x" * 1000
    del f["deep/er/v"]
with h5py.File(os.path.join(dir, "ours.h5")) as f:
    assert len(f["many"]) == 101 and f["many/x99"].shape == (1, 1) and list(f["deep/er"]) == ["w"]

a = ((np.arange(60) - 20) / 8).reshape(3, 4, 5)
words = ["a", "größe", ""]
with h5py.File(os.path.join(dir, "theirs.h5"), "w") as f:
    f.attrs["vlen"] = words
    raw = [w.encode() for w in words]
    f.attrs["fixed"] = np.array(raw)

    def padded(name, kind, pad):
        t = h5py.h5t.C_S1.copy()
        t.set_size(10)
        t.set_strpad(kind)
        t.set_cset(h5py.h5t.CSET_UTF8)
        s = h5py.h5s.create_simple((3,))
        attr = h5py.h5a.create(f.id, name, t, s)
        attr.write(np.array([w.ljust(10, pad) for w in raw], "S10"), mtype=t)
    padded(b"terminated", h5py.h5t.STR_NULLTERM, b"\0")
    padded(b"spaces", h5py.h5t.STR_SPACEPAD, b" ")
    f.attrs["number"] = 3
    for t in ("f2", "f4", "f8"):
        f.create_dataset(t, data=a.astype("<" + t))
        f.create_dataset(t + "be", data=a.astype(">" + t))
    f.create_dataset("gzip", data=a.astype("f4"), chunks=(2, 3, 2), compression="gzip", shuffle=True)
    f.create_dataset("gzip_f2", data=a.astype("f2"), chunks=(3, 4, 5), compression="gzip")
    f.create_dataset("edge", data=a.astype(">f8"), chunks=(2, 3, 4))
    f.create_dataset("tall", data=np.arange(600, dtype="f4"), chunks=(1,))       # a node holds 64: a B-tree of two levels
    p = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    p.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(f.id, b"compact", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(a.shape), p).write(h5py.h5s.ALL, h5py.h5s.ALL, a.astype("f4"))
    f["half"] = np.array([2. ** -24, 0x3ff * 2. ** -24, 2. ** -14, 65504, -np.inf], "f2")
    f["i1"], f["i2be"], f["u4"], f["i8"] = np.int8(-7), np.array(-300, ">i2"), np.uint32(4000000000), np.int64(-1 << 40)
    d = f.create_dataset("hole", shape=(4,), chunks=(2,), dtype="f4")
    d[:2] = 1
    f.create_dataset("never", shape=(4,), dtype="f4")
    f.create_dataset("lzf", data=a, chunks=a.shape, compression="lzf")
    f.create_dataset("checksum", data=a, chunks=a.shape, fletcher32=True)
    f["text"] = "x"
    t = h5py.h5t.IEEE_F32LE.copy()                                               # bfloat16
    t.set_fields(15, 7, 8, 0, 7)
    t.set_size(2)
    t.set_ebias(127)
    h5py.h5d.create(f.id, b"bfloat", t, h5py.h5s.create_simple((4,))).write(h5py.h5s.ALL, h5py.h5s.ALL, np.ones(4, "f4"), mtype=h5py.h5t.IEEE_F32LE)
    f["soft"] = h5py.SoftLink("/f4")
with h5py.File(os.path.join(dir, "bomb.h5"), "w") as f:                            # 1 GiB of zeros in 2 MB
    f.create_dataset("x", shape=(256, 1024, 1024), chunks=(1, 1024, 1024), dtype="f4", compression="gzip")
    f["x"][0] = 0
    zeros = f["x"].id.read_direct_chunk((0, 0, 0))[1]
    for i in range(1, 256):
        f["x"].id.write_direct_chunk((i, 0, 0), zeros)
