package gpu

import "vklstm/gpu/internal/vk"

// stagingSize is how much goes through the staging buffer at once: large enough that the wait for each piece does not
// count, small enough for the 256 MiB that some cards let the host see.
const stagingSize = 8 << 20

// staging is the way to memory that the host cannot see: one mapped buffer and one recording, made at the first use.
type staging struct {
	a *allocation
	c commands
}

// prepare makes the staging buffer. The caller holds d.transfer and d.mu.
func (s *staging) prepare(d *Device) error {
	if s.a == nil {
		a, err := d.allocate("gpu.staging", min(stagingSize, d.info.Limits.MaxAllocation), forTransfer)
		if err != nil {
			return err
		}
		s.a = a
	}
	if s.c == nil {
		c, err := d.vk.Commands(uint32(d.family), false, 0)
		if err != nil {
			return d.failed(err)
		}
		s.c = c
	}
	return nil
}

// settle waits for every running recording that uses a buffer.
func (d *Device) settle(a *allocation) {
	d.mu.Lock()
	var users []*Recording
	for r := range d.inflight {
		if r.touches(a) {
			users = append(users, r)
		}
	}
	d.mu.Unlock()
	for _, r := range users {
		r.finish() // its error is kept for its own Wait
	}
}

// upload copies host bytes into a region, download the other way. Both return when the bytes are there.
func (d *Device) upload(to region, src []byte) error {
	return d.move(to, func(host []byte, at uint64) { copy(host, src[at:]) }, true)
}

func (d *Device) download(dst []byte, from region) error {
	return d.move(from, func(host []byte, at uint64) { copy(dst[at:], host) }, false)
}

// move hands host memory that stands for pieces of the region to access, which fills or empties it; at is the piece's
// offset in the region.
func (d *Device) move(r region, access func(host []byte, at uint64), up bool) error {
	d.transfer.Lock()
	defer d.transfer.Unlock()
	d.settle(r.a)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return err
	}
	r.a.mustLive("transfer")
	if host := r.a.host(); host != nil && !d.staged && (up || d.physical.Types[r.a.block.typ].Cached) {
		access(host[r.off:r.off+r.size], 0)
		return nil
	}
	s := &d.staging
	if err := s.prepare(d); err != nil {
		return err
	}
	for at := uint64(0); at < r.size; {
		n := min(r.size-at, s.a.bytes)
		host := s.a.host()[:n]
		var ops []uint64
		if up {
			access(host, at)
			ops = []uint64{vk.OpBarrier, vk.OpCopy, uint64(s.a.handle), uint64(r.a.handle), 0, r.off + at, n, vk.OpBarrier}
		} else {
			ops = []uint64{vk.OpBarrier, vk.OpCopy, uint64(r.a.handle), uint64(s.a.handle), r.off + at, 0, n, vk.OpHostBarrier}
		}
		if err := s.c.Record(ops, nil); err != nil {
			return d.failed(err)
		}
		if err := d.submit(s.c, []part{{s.c, 1}}); err != nil {
			return err
		}
		if err := s.c.Wait(); err != nil {
			return d.failed(err)
		}
		if !up {
			access(host, at)
		}
		at += n
	}
	return nil
}
