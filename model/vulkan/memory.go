package vulkan

// DeviceMemory plans, before anything is allocated, how many bytes of the device's memory an engine takes that has loaded that many windows,
// trains on train of them in batches, and evaluates eval. The device's driver may round each buffer up, and package gpu
// asks for memory in blocks that several buffers share.
func (e *Engine) DeviceMemory(windows, batch, train, eval int) (uint64, error) {
	a := alloc{dev: e.dev, plan: true}
	newFixed(&a, len(e.opts), e.stride, e.chain.F, len(e.layout.Variables), e.chain.Classes, e.augmentTables())
	// The windows, their masks and their labels; chunks of them add up to the same.
	bytes := a.bytes + 4*uint64(windows)*uint64(e.chain.T*(e.chain.F+1)+1)
	a.bytes = 0
	count := func(s shape, steps int, train bool) {
		n := e.network(s)
		p := e.path.newPass(&n, &a, train)
		newBatch(&a, s, e.chain.Classes, steps)
		p.epochBuffers(&a, steps)
	}
	if train > 0 {
		s, err := e.shapeFor(max(1, min(batch, train)))
		if err != nil {
			return 0, err
		}
		count(s, ceil(train, batch), true)
	}
	if eval > 0 {
		s, err := e.path.planEvaluation(len(e.opts), eval, e.evalLimit, e.trained())
		if err != nil {
			return 0, err
		}
		count(s, ceil(eval, s.B), false)
	}
	return bytes + a.bytes, a.err
}
