// Part of generic.h: dropout, both dense layers and the loss.

// head takes one row's h through both dense layers; it returns the logit, and the hidden layer in y[D]. A NaN stays.
INL float head(const vk_net *L, const float *h, float *y) {
	int64_t D = L->D;
	const float *k1 = L->p + L->head, *b1 = k1 + L->out * D, *k2 = b1 + D;
	vf sum = {0};
	for (int64_t d = 0; d < D; d += VL) {
		vf s0 = ld(b1 + d), s1 = {0};
		for (int64_t u = 0; u < L->out; u += 2) {
			s0 += h[u] * ld(k1 + u * D + d);
			s1 += h[u + 1] * ld(k1 + (u + 1) * D + d);
		}
		vf v = VMAX(all(0), s0 + s1);
		st(y + d, v);
		sum += v * ld(k2 + d);
	}
	float z = k2[D];
	UNROLL for (int l = 0; l < VL; l++) z += sum[l];
	return z;
}

INL double softplus(double z) { return (z > 0 ? z : 0) + log1p(exp(-fabs(z))); }
INL double logistic(double z) {
	double e = exp(-fabs(z));
	return z < 0 ? e / (1 + e) : 1 / (1 + e);
}

// loss returns a row's loss and its derivative by the logit. With s = 2y - 1, l = softplus(-s z), q = 1 - p_t:
//
//	binary crossentropy   l                   -s q
//	focal                 α_t q^γ l           -s α_t q^γ (γ (1 - q) l + q)
//
// where q^γ = exp(-γ softplus(s z)), which loses nothing where q is near 0 or 1.
INL double loss(const vk_net *L, double z, double y, double *derivative) {
	double s = 2 * y - 1, l = softplus(-s * z), q = logistic(-s * z);
	if (!L->focal) {
		*derivative = -s * q;
		return l;
	}
	double f = (y > 0 ? L->alpha : 1 - L->alpha) * exp(-L->gamma * softplus(s * z));
	*derivative = -s * f * (L->gamma * logistic(s * z) * l + q);
	return f * l;
}

// dropout fills keep[out] for a row of a step's batch: the scale, or 0. Philox 4×32-10 under the counter
// (unit/4, row, step, 2), as model/philox has it; units count on from one direction to the other without the padding.
static void dropout(const vk_net *L, uint32_t row, uint32_t time, float *keep) {
	int64_t directions = L->layer[L->layers - 1].directions, H = L->layer[L->layers - 1].H, units = directions * L->units;
	memset(keep, 0, sizeof(float) * (size_t)L->out);
	for (int64_t u = 0; u < units; u += 4) {
		uint32_t c[4] = {(uint32_t)(u / 4), row, time, 2}, k0 = L->key[0], k1 = L->key[1];
		for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
			uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
			uint32_t c1 = c[1], c3 = c[3];
			c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
			c[1] = (uint32_t)p1;
			c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
			c[3] = (uint32_t)p0;
		}
		for (int64_t i = u; i < u + 4 && i < units; i++)
			keep[i < L->units ? i : H + i - L->units] = c[i - u] >> 8 >= L->threshold ? L->keep : 0;
	}
}

// headBackward takes one row's d(loss)/d(logit) back to dh[out], and adds the head's gradients to G.
static void headBackward(const vk_net *L, const block *B, float dz, float *G, float *dh) {
	int64_t H = L->out, D = L->D;
	const float *k2 = L->p + L->head + H * D + D;
	float *g1 = G + L->head, *gb = g1 + H * D, *g2 = gb + D;
	g2[D] += dz;
	for (int64_t d = 0; d < D; d += VL) {
		vf y = ld(B->dense + d), e = dz * ld(k2 + d);
		e = (vf)((vi)e & (y > 0));
		st(g2 + d, ld(g2 + d) + dz * y);
		st(gb + d, ld(gb + d) + e);
		st(B->dd + d, e);
	}
	for (int64_t u = 0; u < H; u++)
		for (int64_t d = 0; d < D; d += VL) st(g1 + u * D + d, ld(g1 + u * D + d) + B->hd[u] * ld(B->dd + d));
	for (int64_t u = 0; u < H; u += W4) {
		vf acc[4] = {{0}};
		int V = u + W4 <= H ? 4 : (int)((H - u) / VL);
		for (int64_t d = 0; d < D; d++)
			for (int v = 0; v < V; v++) acc[v] += B->dd[d] * ld(L->kt + d * H + u + v * VL);
		for (int v = 0; v < V; v++) {
			vf keep = ld(B->keep + u + v * VL);
			st(dh + u + v * VL, L->threshold == 0 ? acc[v] : (vf)((vi)(acc[v] * keep) & (keep != 0)));
		}
	}
}
