// Part of generic.h: the LSTM layers forward.

// products makes z of the active rows from a, panel by panel: backwards at every other step, so that the panels that the
// step before has read last, which the first cache still holds, are read first.
static void products(const vk_layer *L, const float *panels, float *z, int64_t panel, const float *a, int64_t act, int back) {
	int64_t chunks = (L->K + CHUNK - 1) / CHUNK, size = (L->K + chunks - 1) / chunks, group = act == 1 ? 2 : 1;
	int64_t groups = (L->J + group - 1) / group;
	for (int64_t i = 0; i < groups; i++) {
		int64_t j = (back ? groups - 1 - i : i) * group;
		int pair = group == 2 && j + 1 < L->J;
		for (int64_t k = 0; k < L->K; k += size) {
			const float *w = panels + (j * L->K + k) * W4;
			int64_t n = k + size < L->K ? size : L->K - k;
			if (pair) {
				gatesPair(z + j * panel, panel, a + k, w, L->K * W4, n, k > 0);
				continue;
			}
			for (int64_t r = 0, R1; r < act; r += R1) {
				R1 = height(act - r);
#define GO(R) gates##R(z + j * panel + r * W4, a + r * L->KA + k, L->KA, w, n, k > 0)
				TILES(R1, GO)
#undef GO
			}
		}
	}
}

// cells: gates, c, tanh(c) and h of the active rows, or relu in place of tanh. Two loops, because one row's chain from gate to h is far
// longer than what a core looks ahead over. Rows that go on hand h to their next step; the others end.
INL void cells(const int train, const int relu, const vk_layer *L, float *G, int64_t panel, const float *c0, float *c, float *tc,
		int64_t act, int64_t next, float *a, float *h) {
	int64_t H = L->H, out = L->out;
	for (int64_t j = 0; j < H; j += VL)
		for (int64_t r = 0; r < act; r++) {
			float *z = G + j / VL * panel + r * W4;
			// One reciprocal for two: 1/a = b/(a·b).
			vf di = below(ld(z)), df = below(ld(z + VL)), d = below(ld(z + 3 * VL)), p = RECIPROCAL(di * df), i = p * df, f = p * di, g, o;
			if (relu) {
				g = VMAX(all(0), ld(z + 2 * VL));
				o = RECIPROCAL(d);
			} else {
				vf e = above(ld(z + 2 * VL)), dg = e + 2.f, q = RECIPROCAL(dg * d);
				g = e * (q * d);
				o = q * dg;
			}
			if (train) { st(z, i); st(z + VL, f); st(z + 2 * VL, g); }
			st(z + 3 * VL, o);
			st(c + r * H + j, f * ld(c0 + r * H + j) + i * g);
		}
	for (int64_t j = 0; j < H; j += VL)
		for (int64_t r = 0; r < act; r++) {
			vf v = ld(c + r * H + j), t = relu ? VMAX(all(0), v) : tanh2(v * (2 * LOG2E));
			st((r < next ? a + r * L->KA : h + r * out) + j, ld(G + j / VL * panel + r * W4 + 3 * VL) * t);
			if (train) st(tc + r * H + j, t);
		}
}

// inputs writes x and 1 beside h of the active rows: step s of direction d of the first layer.
INL void inputs(const vk_net *L, const vk_job *J, const int32_t *src, const block *B, int64_t d, int64_t s, int64_t act, float *a) {
	const vk_layer *Y = L->layer;
	int64_t F = L->F, T = L->T, H = Y->H, KA = Y->KA;
	for (int64_t r = 0; r < act; r++) {
		int64_t i = B->order[r], t = B->used[i * T + position(B, Y, d, r, s)];
		float *to = a + r * KA + H;
		if (src[i] < 0) {
			const float *x = J->data.augmented + ((int64_t)~src[i] * T + t) * F;
			for (int64_t f = 0; f < F; f++) to[f] = x[f] == x[f] ? x[f] : 0;
		} else {
			const float *x = J->data.x + ((int64_t)src[i] * T + t) * F;
			for (int64_t f = 0; f < F; f++) to[f] = x[f] == x[f] ? (x[f] - L->offset[f]) * L->factor[f] : 0;
		}
		to[F] = 1;
	}
}

// receive is inputs of another layer, which reads x, what the op before it puts out.
INL void receive(const block *B, const vk_layer *Y, const float *x, int64_t d, int64_t s, int64_t act, float *a) {
	for (int64_t r = 0; r < act; r++) {
		float *to = a + r * Y->KA + Y->H;
		memcpy(to, x + (B->off[position(B, Y, d, r, s)] + r) * Y->in, sizeof(float) * (size_t)Y->in);
		to[Y->in] = 1;
	}
}

// hand writes h after step s of layer l to y, what the layer puts out, or where the next layer takes it in. h of rows that go on is in
// then, of others in the block's h.
static void hand(const vk_net *L, const block *B, int64_t l, int64_t d, int64_t s, int64_t act, int64_t next, const float *then, float *y) {
	const vk_layer *Y = L->layer + l;
	size_t size = sizeof(float) * (size_t)Y->H;
	for (int64_t r = 0; r < act; r++) {
		const float *h = r < next ? then + r * Y->KA : B->h + r * Y->out + d * Y->H;
		int64_t p, end;
		span(L, B, Y, d, r, s, &p, &end);
		if (Y->direct) for (int64_t e = 0; e < Y[1].directions; e++) memcpy(input(L, B, l + 1, e, r, p) + d * Y->H, h, size);
		else for (; p < end; p++) memcpy(y + (B->off[p] + r) * Y->out + d * Y->H, h, size);
	}
}

// directionForward runs direction d of layer l on x[N][in], in the first layer on the windows. It leaves each row's last h in the
// block's, and writes those after each step to y[N][out] where another layer reads them.
INL void directionForward(const int train, const vk_net *L, const vk_job *J, const int32_t *src, block *B, int64_t l, int64_t d, const float *x, float *y) {
	const vk_layer *Y = L->layer + l;
	track *W = &B->direction[l][d];
	int64_t n = B->n, H = Y->H, KA = Y->KA;
	memset(W->c, 0, sizeof(float) * (size_t)(n * H));
	for (int64_t r = 0; B->steps > 0 && r < B->off[1]; r++) memset(W->a + r * KA, 0, sizeof(float) * (size_t)H);
	for (int64_t s = 0; s < B->steps; s++) {
		int64_t act = B->off[s + 1] - B->off[s], next = s + 1 < B->steps ? B->off[s + 2] - B->off[s + 1] : 0;
		int64_t at = train ? B->off[s] : (s & 1) * n, then = train ? B->off[s + 1] : n - at;
		int64_t before = s == 0 ? 0 : n + (train ? B->off[s - 1] : then), panel = (train ? B->N : n) * W4;
		float *z = W->g + (train ? at * W4 : 0), *a = W->a + (Y->fed ? B->off[s] : at) * KA, *aThen = W->a + (Y->fed ? B->off[s + 1] : then) * KA;
		const float *c0 = W->c + before * H;
		float *c = W->c + (n + at) * H, *tc = W->tc + (train ? at * H : 0);
		if (l == 0) inputs(L, J, src, B, d, s, act, a);
		else if (!Y->fed) receive(B, Y, x, d, s, act, a);
		else for (int64_t r = 0; r < act; r++) a[r * KA + Y->K - 1] = 1;
		products(Y, Y->direction[d].w, z, panel, a, act, s & 1);
		if (Y->relu) cells(train, 1, Y, z, panel, c0, c, tc, act, next, aThen, B->h + d * H);
		else cells(train, 0, Y, z, panel, c0, c, tc, act, next, aThen, B->h + d * H);
		if (!Y->last) hand(L, B, l, d, s, act, next, aThen, y);
	}
}

// lstmForward runs an LSTM layer on x and writes to y what it puts out.
INL void lstmForward(const int train, const vk_net *L, const vk_job *J, const int32_t *src, block *B, int64_t l, const float *x, float *y) {
	const vk_layer *Y = L->layer + l;
	memset(B->h, 0, sizeof(float) * (size_t)(B->n * Y->out));
	if (Y->backwards && !Y->last) memset(y, 0, sizeof(float) * (size_t)(B->N * Y->out)); // positions before its first output
	for (int64_t d = 0; d < Y->directions; d++) directionForward(train, L, J, src, B, l, d, x, y);
	if (Y->last) memcpy(y, B->h, sizeof(float) * (size_t)(B->n * Y->out));
}
