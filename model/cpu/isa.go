//go:build cgo

package cpu

/*
#cgo CFLAGS: -O3 -Wall
#cgo LDFLAGS: -lm
#include <stdlib.h>
#include "kernels.h"
static void activate(const vk_isa *I, int which, const float *x, float *y, int64_t n) { I->activate(which, x, y, n); }
static double peak(const vk_isa *I, int64_t rounds) { return I->peak(rounds); }
static void *zalloc(size_t n) { // n bytes, zeroed, at a multiple of 64; the block's own address lies before it
	void **p = calloc(n + 128, 1);
	if (!p) return 0;
	void **q = (void **)(((uintptr_t)p + 127) & ~(uintptr_t)63);
	q[-1] = p;
	return q;
}
static void zfree(void *q) { if (q) free(((void **)q)[-1]); }
*/
import "C"

import (
	"fmt"
	"runtime"
	"strings"
	"time"
	"unsafe"
)

// instructionSets returns the kernels that this machine can run, best first.
func instructionSets() []*C.vk_isa {
	var list []*C.vk_isa
	for i := C.int(0); ; i++ {
		isa := C.vk_isa_get(i)
		if isa == nil {
			return list
		}
		if isa.ok != 0 {
			list = append(list, isa)
		}
	}
}

// InstructionSets returns the names of the instruction sets that the kernels are compiled for and this machine has, best
// first: "avx512", "avx2", "sse2"; "neon".
func InstructionSets() []string {
	var names []string
	for _, isa := range instructionSets() {
		names = append(names, C.GoString(isa.name))
	}
	return names
}

func isaByName(name string) (*C.vk_isa, error) {
	list := instructionSets()
	if name == "" {
		return list[0], nil
	}
	for _, isa := range list {
		if C.GoString(isa.name) == name {
			return isa, nil
		}
	}
	return nil, fmt.Errorf("cpu: no instruction set %q on this machine; there are %s", name, strings.Join(InstructionSets(), ", "))
}

// About says how the engine was built and what of it this machine runs.
func About() string { return InstructionSets()[0] + ", built with cgo" }

// Peak returns how many floating-point operations one core does in a second when it multiplies and adds on registers
// alone, with the best instruction set: what a kernel cannot exceed. It takes about 20 ms and returns the best of several
// tries.
func Peak() float64 {
	isa := instructionSets()[0]
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const rounds, accumulators = 100_000, 12
	best := 0.0
	for start := time.Now(); time.Since(start) < 20*time.Millisecond; {
		begin := time.Now()
		C.peak(isa, rounds)
		best = max(best, float64(2*rounds*accumulators)*float64(isa.vl)/time.Since(begin).Seconds())
	}
	return best
}

// activated applies sigmoid (which 0) or tanh (1) to x, whose length is a multiple of 16.
func activated(isa *C.vk_isa, which int, x []float32) []float32 {
	y := make([]float32, len(x))
	C.activate(isa, C.int(which), (*C.float)(&x[0]), (*C.float)(&y[0]), C.int64_t(len(x)))
	return y
}

// memory is floats of C at a multiple of 64 bytes, zeroed at first.
type memory []float32

// allocate returns n floats. The error says that there is no room.
func allocate(n int) (memory, error) {
	p := C.zalloc(C.size_t(4 * n))
	if p == nil {
		return nil, fmt.Errorf("cpu: no memory for %d bytes; take fewer units, shorter windows or fewer models", 4*n)
	}
	return unsafe.Slice((*float32)(p), n), nil
}

func (m memory) free() {
	if len(m) > 0 {
		C.zfree(unsafe.Pointer(&m[0]))
	}
}

// c returns the address for C; nil for none.
func (m memory) c() *C.float { return (*C.float)(unsafe.SliceData(m)) }
