// Package hdf5 reads and writes the part of HDF5 that Keras model files use, in memory.
//
// Read: superblocks 0 to 3, object headers of version 1 and 2, groups as symbol tables or compact links, contiguous,
// compact and chunked arrays (deflate, shuffle), IEEE floats and integers of either byte order, fixed and
// variable-length strings. Written: superblock 0, symbol tables, version 1 headers, contiguous little-endian float32,
// fixed-length strings; what the HDF5 library itself writes under its oldest, most widely read settings.
//
// A file is input from anywhere. Every offset is checked against the bytes that are there before it is followed, every size
// before it is allocated, and two budgets, proportional to the file's length, bound all steps and all decoded bytes,
// so that cycles, shared pieces and compression bombs end in an error. There are Go modules that read more of HDF5;
// the one that reads Keras's files (github.com/scigolib/hdf5 v0.14.1) allocates what a file declares, and a process
// that is out of memory cannot recover. The tests use it as a second opinion on the files written here.
//
// The format: "HDF5 File Format Specification Version 3.0", The HDF Group. Section numbers in the comments are its.
package hdf5
