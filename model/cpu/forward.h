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

// cells: gates, c, tanh(c) and h of the active rows. Two loops, because one row's chain from gate to h is far longer
// than what a core looks ahead over. Rows that go on hand h to their next step; the others end.
INL void cells(const int train, const vk_layer *L, float *G, int64_t panel, const float *c0, float *c, float *tc,
		int64_t act, int64_t next, float *a, float *h) {
	int64_t H = L->H, out = L->out;
	for (int64_t j = 0; j < H; j += VL)
		for (int64_t r = 0; r < act; r++) {
			float *z = G + j / VL * panel + r * W4;
			// One reciprocal for two: 1/a = b/(a·b).
			vf di = below(ld(z)), df = below(ld(z + VL)), e = above(ld(z + 2 * VL)), dg = e + 2.f, d = below(ld(z + 3 * VL));
			vf p = RECIPROCAL(di * df), q = RECIPROCAL(dg * d);
			vf i = p * df, f = p * di, g = e * (q * d), o = q * dg;
			if (train) { st(z, i); st(z + VL, f); st(z + 2 * VL, g); }
			st(z + 3 * VL, o);
			st(c + r * H + j, f * ld(c0 + r * H + j) + i * g);
		}
	for (int64_t j = 0; j < H; j += VL)
		for (int64_t r = 0; r < act; r++) {
			vf t = tanh2(ld(c + r * H + j) * (2 * LOG2E));
			st((r < next ? a + r * L->KA : h + r * out) + j, ld(G + j / VL * panel + r * W4 + 3 * VL) * t);
			if (train) st(tc + r * H + j, t);
		}
}

// inputs writes x and 1 beside h of the active rows: step s of direction d.
INL void inputs(const vk_net *L, const vk_job *J, const int32_t *src, const block *B, int64_t d, int64_t s, int64_t act, float *a) {
	int64_t F = L->F, T = L->T, H = L->layer->H, KA = L->layer->KA;
	for (int64_t r = 0; r < act; r++) {
		int64_t i = B->order[r], t = B->used[i * T + (d == 0 ? s : B->length[i] - 1 - s)];
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

// hand gives h after step s of direction d of layer l to the next layer, and writes 1 beside what that takes in. h of
// rows that go on is in then, of others in the block's h.
static void hand(const vk_net *L, const block *B, int64_t l, int64_t d, int64_t s, int64_t act, int64_t next, const float *then) {
	const vk_layer *Y = L->layer + l, *U = Y + 1;
	for (int64_t e = 0; e < U->directions; e++)
		for (int64_t r = 0; r < act; r++) {
			float *to = B->direction[l + 1][e].a + place(B, r, s, d, e) * U->KA;
			memcpy(to + U->H + d * Y->H, r < next ? then + r * Y->KA : B->h + r * Y->out + d * Y->H, sizeof(float) * (size_t)Y->H);
			to[U->K - 1] = 1;
		}
}

// directionForward runs direction d of layer l, and leaves each row's last h in the block's.
INL void directionForward(const int train, const vk_net *L, const vk_job *J, const int32_t *src, block *B, int64_t l, int64_t d) {
	const vk_layer *Y = L->layer + l;
	track *W = &B->direction[l][d];
	int64_t n = B->n, H = Y->H, KA = Y->KA;
	memset(W->c, 0, sizeof(float) * (size_t)(n * H));
	for (int64_t r = 0; B->steps > 0 && r < B->off[1]; r++) memset(W->a + r * KA, 0, sizeof(float) * (size_t)H);
	for (int64_t s = 0; s < B->steps; s++) {
		int64_t act = B->off[s + 1] - B->off[s], next = s + 1 < B->steps ? B->off[s + 2] - B->off[s + 1] : 0;
		int64_t at = train ? B->off[s] : (s & 1) * n, then = train ? B->off[s + 1] : n - at;
		int64_t before = s == 0 ? 0 : n + (train ? B->off[s - 1] : then), panel = (train ? B->N : n) * W4;
		float *z = W->g + (train ? at * W4 : 0);
		float *a = W->a + (l > 0 ? B->off[s] : at) * KA, *aThen = W->a + (l > 0 ? B->off[s + 1] : then) * KA;
		if (l == 0) inputs(L, J, src, B, d, s, act, a);
		products(Y, Y->direction[d].w, z, panel, a, act, s & 1);
		cells(train, Y, z, panel, W->c + before * H, W->c + (n + at) * H, W->tc + (train ? at * H : 0), act, next, aThen, B->h + d * H);
		if (l + 1 < L->layers) hand(L, B, l, d, s, act, next, aThen);
	}
}

INL void forward(const int train, const vk_net *L, const vk_job *J, const int32_t *src, block *B) {
	for (int64_t l = 0; l < L->layers; l++) {
		memset(B->h, 0, sizeof(float) * (size_t)(B->n * L->layer[l].out));
		for (int64_t d = 0; d < L->layer[l].directions; d++) directionForward(train, L, J, src, B, l, d);
	}
}
