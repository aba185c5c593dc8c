package portable

// backward runs the LSTM layers back from b.dh, the gradient by what the last one put out, and adds the gradients of their
// variables to grad.
func (b *block) backward(p, grad network) {
	for l := len(b.layers) - 1; l >= 0; l-- {
		for _, w := range b.layers[l] {
			for r := range b.n {
				if w.above == nil {
					copy(row(w.dh, r, w.H), row(b.dh, r, b.Out())[w.from:])
				} else {
					clear(row(w.dh, r, w.H))
				}
			}
			b.walkBackward(w, w.weights(p), w.weights(grad))
		}
	}
}

// walkBackward runs one direction of a layer back from w.dh, the gradient by each row's last h, to which that by the
// outputs of each step comes, and adds the gradients of its three variables, which lie one behind the other.
func (b *block) walkBackward(w *walk, p, grad weights) {
	H := w.H
	clear(w.dc[:b.n*H])
	for s := b.steps - 1; s >= 0; s-- {
		active, at := b.active(s), b.at(s)
		before := 0
		if s > 0 {
			before = b.n + b.at(s-1)
		}
		for r := range active {
			b.addOutput(row(w.dh, r, H), w, r, s)
			cellBackward(row(w.z, at+r, 4*H), row(w.c, before+r, H), row(w.tanhC, at+r, H), row(w.dh, r, H), row(w.dc, r, H))
		}
		if s > 0 {
			clear(w.dh[:active*H])
			multiplyTransposed(active, H, 4*H, w.z[at*4*H:], 4*H, p.recurrent, 4*H, w.dh, H)
		}
	}
	N := b.first[b.steps]
	addGradient(N, w.k, 4*H, w.a, w.z, grad.all)
	if w.below != nil { // needs no history either
		clear(w.dInput[:N*w.in])
		multiplyTransposed(N, w.in, 4*H, w.z, 4*H, p.kernels, 4*H, w.dInput, w.in)
	}
}

// addOutput adds the gradient by what the walk puts out at step s of row r to dh.
func (b *block) addOutput(dh []float32, w *walk, r, s int) {
	n := len(b.valid[b.order[r]])
	j := w.step(s, n)
	for _, u := range w.above {
		for i, d := range row(u.dInput, b.first[u.step(j, n)]+r, u.in)[w.from : w.from+w.H] {
			dh[i] += d
		}
	}
}

// cellBackward is one row's step back: the gates z[4H] become dz, and dc the gradient by c before the step. dh, the
// gradient by h behind the step, is read; that by h before it is dz·recurrent_kernelᵀ.
func cellBackward(z, cBefore, tanhC, dh, dc []float32) {
	H := len(dh)
	zi, zf, zg, zo := z[:H], z[H:2*H], z[2*H:3*H], z[3*H:4*H]
	cBefore, tanhC, dc = cBefore[:H], tanhC[:H], dc[:H]
	for u, dhu := range dh {
		i, f, g, o, t := zi[u], zf[u], zg[u], zo[u], tanhC[u]
		d := dc[u] + float32(float32(dhu*o)*(1-float32(t*t)))
		zi[u] = float32(float32(d*g)*i) * (1 - i)
		zf[u] = float32(float32(d*cBefore[u])*f) * (1 - f)
		zg[u] = float32(d*i) * (1 - float32(g*g))
		zo[u] = float32(float32(dhu*t)*o) * (1 - o)
		dc[u] = d * f
	}
}
