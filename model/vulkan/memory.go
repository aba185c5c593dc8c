package vulkan

import "vklstm/model"

// DeviceMemory plans, before anything is allocated, how many bytes of the device's memory an engine takes that has so many windows
// loaded, trains on some of them in batches, and evaluates others. The device's driver may round each buffer up, and package gpu
// asks for memory in blocks that several buffers share.
func (e *Engine) DeviceMemory(windows, batch, train, eval int) (uint64, error) {
	a := alloc{dev: e.dev, plan: true}
	newFixed(&a, len(e.opts), e.stride, e.chain.F, len(e.layout.Variables), e.augmentTables())
	// The windows, their masks and their labels; chunks of them add up to the same.
	bytes := a.bytes + 4*uint64(windows)*uint64(e.chain.T*(e.chain.F+1)+1)
	a.bytes = 0
	if train > 0 {
		s, err := e.shapeFor(max(1, min(batch, train)))
		if err != nil {
			return 0, err
		}
		n := e.network(s)
		n.activate(&a, true)
		n.epochBuffers(&a, model.Plan{Train: make([]int32, train), Batch: batch}.Steps())
	}
	if eval > 0 {
		s, err := e.evalShape(eval)
		if err != nil {
			return 0, err
		}
		n := e.network(s)
		n.evaluationBuffers(&a)
		n.epochBuffers(&a, (eval+s.B-1)/s.B)
	}
	return bytes + a.bytes, a.err
}
