//go:build cgo

package cpu

/*
#include <stdlib.h>
#include "kernels.h"
*/
import "C"

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// job is one model's share of a run: see vk_job in kernels.h.
type job struct {
	k                 int
	x, augmented      []float32
	block, row        []int64
	src, at           []int32
	whole             []int32   // 1: no step of the row is masked; nil: not known
	label, weight     []float32 // weight nil: all 1; label nil: only probabilities
	probability, loss []float32
	batch             int
	alpha, decay      []float32
	time              int
}

// steps returns how many steps the job has.
func (j *job) steps() int { return len(j.block) - 1 }

// kind says what a run does.
type kind int

const (
	evaluating kind = iota // forward of all blocks of the jobs' only step
	training               // steps, with the optimizer's
	gradients              // one step; the gradient stays in the first lane
)

// run lets at most `threads` threads do the jobs, one call of C each. It returns the number of steps that were done, which is
// less than the jobs have when ctx ended.
func (e *Engine) run(ctx context.Context, what kind, jobs []job, threads int) (int, error) {
	rows, most := 1, 0
	var blocksOf []int // a step of each job, at most
	shares := 0        // what threads share: a step's lanes, or blocks to evaluate
	for _, j := range jobs {
		most = max(most, j.steps())
		for b := range len(j.row) - 1 {
			rows = max(rows, int(j.row[b+1]-j.row[b]))
		}
		if what == evaluating {
			shares += int(j.block[1])
			continue
		}
		blocks := 0
		for s := range j.steps() {
			blocks = max(blocks, int(j.block[s+1]-j.block[s]))
		}
		if err := e.nets[j.k].needGradients(blocks); err != nil {
			return 0, err
		}
		shares += min(blocks, int(e.nets[j.k].c.lanes))
		blocksOf = append(blocksOf, blocks)
	}
	threads = max(1, min(threads, shares)) // more would wait at every barrier, each with memory of its own
	if err := e.need(rows, what != evaluating, threads); err != nil {
		return 0, err
	}
	for i, blocks := range blocksOf {
		if err := e.nets[jobs[i].k].needStates(blocks, rows); err != nil {
			return 0, err
		}
	}
	// The shared state is memory of C, as its cache lines must be its own. What it points to is pinned.
	m, err := allocate(int(unsafe.Sizeof(C.vk_run{})+uintptr(len(jobs))*unsafe.Sizeof(C.vk_job{})+3) / 4)
	if err != nil {
		return 0, err
	}
	defer m.free()
	r := (*C.vk_run)(unsafe.Pointer(&m[0]))
	list := unsafe.Slice((*C.vk_job)(unsafe.Add(unsafe.Pointer(r), unsafe.Sizeof(C.vk_run{}))), len(jobs))
	var pin runtime.Pinner
	defer pin.Unpin()
	for i, j := range jobs {
		list[i] = C.vk_job{
			net:   e.nets[j.k].c,
			data:  C.vk_data{x: floatsOf(&pin, j.x), augmented: floatsOf(&pin, j.augmented)},
			steps: C.int64_t(j.steps()), block: (*C.int64_t)(pinned(&pin, j.block)), row: (*C.int64_t)(pinned(&pin, j.row)),
			src: (*C.int32_t)(pinned(&pin, j.src)), at: (*C.int32_t)(pinned(&pin, j.at)),
			whole: (*C.int32_t)(pinned(&pin, j.whole)),
			label: floatsOf(&pin, j.label), weight: floatsOf(&pin, j.weight),
			probability: floatsOf(&pin, j.probability), loss: floatsOf(&pin, j.loss),
			batch: C.int64_t(j.batch), alpha: floatsOf(&pin, j.alpha), decay: floatsOf(&pin, j.decay), time: C.uint32_t(j.time),
		}
		if n := e.nets[j.k]; what != evaluating && n.states != nil {
			list[i].states, list[i].state, list[i].sums = n.states.c(), C.int64_t(n.scratch(rows, true)), (*C.double)(unsafe.Pointer(n.sums.c()))
		}
	}
	r.phases = e.nets[0].c.phases
	r.jobs, r.models, r.steps, r.threads = &list[0], C.int64_t(len(jobs)), C.int64_t(most), C.int32_t(threads)
	if what != evaluating {
		r.train = 1
	}
	if what == training {
		r.update = 1
	}
	// Both are memory of Go, because others may hold them when r is gone: AfterFunc's call may be under way when it is taken
	// back, and Progress is called at any time.
	stop := new(atomic.Int32)
	pin.Pin(stop)
	r.stop = (*C.int32_t)(unsafe.Pointer(stop))
	defer context.AfterFunc(ctx, func() { stop.Store(1) })()
	if ctx.Err() != nil {
		stop.Store(1) // It ends after its first step; what waits for ctx would be told at some time.
	}
	if what == training {
		pin.Pin(e.done)
		r.count = (*C.int64_t)(unsafe.Pointer(e.done))
	}
	var done sync.WaitGroup
	for t := 1; t < threads; t++ {
		done.Go(func() { C.vk_work(e.isa, r, C.int32_t(t), e.workers[t].scratch.c()) })
	}
	C.vk_work(e.isa, r, 0, e.workers[0].scratch.c())
	done.Wait()
	runtime.KeepAlive(e) // its finalizer frees what C works on
	return int(r.done), nil
}

// pinned returns the address of a slice's elements, nil for none, which stay where they are until pin lets go.
func pinned[T any](pin *runtime.Pinner, a []T) unsafe.Pointer {
	if len(a) == 0 {
		return nil
	}
	pin.Pin(&a[0])
	return unsafe.Pointer(&a[0])
}

func floatsOf(pin *runtime.Pinner, a []float32) *C.float { return (*C.float)(pinned(pin, a)) }

// Progress implements model.Engine.
func (e *Engine) Progress() (done, of int) {
	return int(e.done.Load()), int(e.of.Load())
}
