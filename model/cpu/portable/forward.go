package portable

// forward runs the LSTM layers over the block's rows, and leaves what the last one puts out in b.h.
func (b *block) forward(p network) {
	for _, layer := range b.layers {
		for _, w := range layer {
			b.walkForward(w, w.weights(p))
		}
	}
	last := b.layers[len(b.layers)-1]
	for r := range b.n {
		to := row(b.h, r, b.Out())
		for _, w := range last {
			copy(to[w.from:], row(w.h, r, w.H))
		}
	}
}

// walkForward runs one direction of a layer, and leaves each row's last h in w.h.
func (b *block) walkForward(w *walk, p weights) {
	H, in, K := w.H, w.in, w.k
	clear(w.h[:b.n*H])
	clear(w.c[:b.n*H])
	for s := range b.steps {
		active, at := b.active(s), b.at(s)
		for r := range active {
			a := row(w.a, at+r, K)
			b.input(a, w, r, s)
			copy(a[in:], row(w.h, r, H))
			a[in+H] = 1
			copy(row(w.z, at+r, 4*H), p.bias)
		}
		multiply(active, 4*H, in+H, w.a[at*K:], K, p.kernels, 4*H, w.z[at*4*H:], 4*H)
		before, behind := 0, 0
		if b.train {
			behind = b.n + at
			if s > 0 {
				before = b.n + b.at(s-1)
			}
		}
		for r := range active {
			cellForward(row(w.z, at+r, 4*H), row(w.c, before+r, H), row(w.c, behind+r, H), row(w.tanhC, at+r, H), row(w.h, r, H))
		}
		if w.out != nil {
			copy(w.out[b.first[s]*H:b.first[s+1]*H], w.h)
		}
	}
}

// input writes to a what comes in at step s of row r: values of the window, or what the layer before puts out there.
func (b *block) input(a []float32, w *walk, r, s int) {
	i := b.order[r]
	n := len(b.valid[i])
	j := w.step(s, n)
	if w.below == nil {
		copy(a, row(b.x, i*b.T+int(b.valid[i][j]), b.F))
		return
	}
	for _, u := range w.below {
		copy(a[u.from:], row(u.out, b.first[u.step(j, n)]+r, u.H))
	}
}

// cellForward is one row's step: z[4H] becomes the gates, and c, tanhC and h [H] what is behind the step.
func cellForward(z, cBefore, c, tanhC, h []float32) {
	H := len(h)
	sigmoid(z[:2*H])
	tanh(z[2*H:3*H], z[2*H:3*H])
	sigmoid(z[3*H:])
	i, f, g, o := z[:H], z[H:2*H], z[2*H:3*H], z[3*H:4*H]
	for u, before := range cBefore[:H] {
		c[u] = float32(f[u]*before) + float32(i[u]*g[u])
	}
	tanh(tanhC, c[:H])
	for u, t := range tanhC[:H] {
		h[u] = o[u] * t
	}
}
