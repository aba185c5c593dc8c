// Package npz reads arrays from NumPy's .npz files, whoever wrote them, and writes such files. A file that is read cannot
// make it allocate more than a small multiple of what the file holds, call anything, or panic.
//
//	data.npz = zip of NAME.npy;  NAME.npy = "\x93NUMPY" version, length, {'descr': '<f4', 'fortran_order': False, 'shape': (624, 60, 6)}, data
//
// Numbers come out of any layout that NumPy writes: stored or deflated, zip64 or not, either byte order, C or
// Fortran order, integers, bool and floats of 2, 4 or 8 bytes. Labels come out of text, bytes, whole numbers and
// object arrays; windows that differ in length out of an object array of arrays. An object array is a pickle, a program for a stack machine; of that machine only what an array of
// plain values needs is here (pickle.go), so that a pickle that wants to call anything else is refused by name.
// (The reader of npyio v0.14.0 calls nothing either, but hands pickles to gopickle v0.3.0, which allocates whatever
// a length claims and panics at operation 255.)
//
// Errors begin with the file's name and the array's, and say what to do.
package npz
