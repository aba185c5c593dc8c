package gpu

// touch is one access to a range of an allocation since the last barrier.
type touch struct {
	off, end uint64
	writes   bool
}

// hazards knows what was touched since the last barrier, and so when the next barrier is due: when a range is read or
// written that was written (read after write, write after write), or written that was read (write after read). Ranges
// that do not overlap do not matter to each other. A barrier here covers all memory, so that after it nothing is open.
type hazards struct {
	open map[*allocation][]touch
}

// conflict reports whether an access must wait for one that is open.
func (h *hazards) conflict(r region, a access) bool {
	for _, t := range h.open[r.a] {
		if (t.writes || a&writes != 0) && r.off < t.end && t.off < r.off+r.size {
			return true
		}
	}
	return false
}

// add opens an access.
func (h *hazards) add(r region, a access) {
	if h.open == nil {
		h.open = map[*allocation][]touch{}
	}
	t := touch{r.off, r.off + r.size, a&writes != 0}
	list := h.open[r.a]
	for i := range list {
		// Reading a range again and again, as a time loop reads its weights, must not make the list grow.
		if list[i].writes == t.writes && list[i].off <= t.off && t.end <= list[i].end {
			return
		}
	}
	h.open[r.a] = append(list, t)
}

// clear closes every access: a barrier was placed.
func (h *hazards) clear() {
	for a, list := range h.open {
		if len(list) == 0 {
			delete(h.open, a) // not touched between the last two barriers
			continue
		}
		h.open[a] = list[:0]
	}
}
