package portable

// backward runs the LSTM back from b.dh, the gradient by each row's last h, and adds the gradients of its three
// variables to grad[F+H+1][4H], which lies as they do.
func (b *block) backward(p network, grad []float32) {
	H := b.H
	clear(b.dc[:b.n*H])
	for s := b.steps - 1; s >= 0; s-- {
		active, at := b.active(s), b.at(s)
		before := 0
		if s > 0 {
			before = b.n + b.at(s-1)
		}
		for r := range active {
			cellBackward(row(b.z, at+r, 4*H), row(b.c, before+r, H), row(b.tanhC, at+r, H), row(b.dh, r, H), row(b.dc, r, H))
		}
		if s > 0 {
			clear(b.dh[:active*H])
			multiplyTransposed(active, H, 4*H, b.z[at*4*H:], 4*H, p.recurrent, 4*H, b.dh, H)
		}
	}
	addGradient(b.first[b.steps], b.k, 4*H, b.a, b.z, grad)
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
