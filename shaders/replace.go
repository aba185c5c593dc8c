package shaders

import "sync"

// replaced are the kernels that a test broke.
var replaced sync.Map // name → []byte

// Replace makes Lookup answer other SPIR-V for a kernel from now on, in the whole process. It is for tests that prove
// themselves: a kernel that is broken on purpose must be noticed. Programs leave it alone.
func Replace(name string, code []byte) { replaced.Store(name, code) }
