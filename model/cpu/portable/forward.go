package portable

// forward runs the LSTM over the block's rows, and leaves each row's last h in b.h.
func (b *block) forward(p network) {
	H, F, K := b.H, b.F, b.k
	clear(b.h[:b.n*H])
	clear(b.c[:b.n*H])
	for s := range b.steps {
		active, at := b.active(s), b.at(s)
		for r := range active {
			i := b.order[r]
			a := row(b.a, at+r, K)
			copy(a, row(b.x, i*b.T+int(b.valid[i][s]), F))
			copy(a[F:], row(b.h, r, H))
			a[F+H] = 1
			copy(row(b.z, at+r, 4*H), p.bias)
		}
		multiply(active, 4*H, F+H, b.a[at*K:], K, p.kernels, 4*H, b.z[at*4*H:], 4*H)
		before, behind := 0, 0
		if b.train {
			behind = b.n + at
			if s > 0 {
				before = b.n + b.at(s-1)
			}
		}
		for r := range active {
			cellForward(row(b.z, at+r, 4*H), row(b.c, before+r, H), row(b.c, behind+r, H), row(b.tanhC, at+r, H), row(b.h, r, H))
		}
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
