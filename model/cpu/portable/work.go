package portable

import "sync"

// turns lets the blocks of each model add their gradients one after the other, in block order, while as many
// gradients are in memory as there are threads.
type turns struct {
	mu   sync.Mutex
	cond *sync.Cond
	next []int // of each model: the block whose turn it is
}

func newTurns(models int) *turns {
	t := &turns{next: make([]int, models)}
	t.cond = sync.NewCond(&t.mu)
	return t
}

// take waits until it is block b's turn in model k, calls f, and gives the turn to the next block. It always ends when
// blocks are begun in their order: the first of those begun and not ended waits for none.
func (t *turns) take(k, b int, f func()) {
	t.mu.Lock()
	for t.next[k] != b {
		t.cond.Wait()
	}
	t.mu.Unlock()
	f()
	t.mu.Lock()
	t.next[k]++
	t.mu.Unlock()
	t.cond.Broadcast()
}
