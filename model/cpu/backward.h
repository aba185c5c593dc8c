// Part of generic.h: the LSTM layers backward.

// derivatives turns the gates of the active rows into dz, and dc into the gradient by c before the step.
INL void derivatives(const int relu, const vk_layer *L, float *G, int64_t panel, const float *c0, const float *tc, const float *dh, float *dc, int64_t act) {
	int64_t H = L->H, out = L->out;
	for (int64_t j = 0; j < H; j += VL)
		for (int64_t r = 0; r < act; r++) {
			float *z = G + j / VL * panel + r * W4;
			int64_t u = r * H + j;
			vf i = ld(z), f = ld(z + VL), g = ld(z + 2 * VL), o = ld(z + 3 * VL), t = ld(tc + u), d = ld(dh + r * out + j), e, dg;
			if (relu) {
				e = ld(dc + u) + (vf)((vi)(d * o) & (t > 0));
				dg = (vf)((vi)(e * i) & (g > 0));
			} else {
				e = ld(dc + u) + d * o * (1.f - t * t);
				dg = e * i * (1.f - g * g);
			}
			st(z, e * g * (i - i * i));
			st(z + VL, e * ld(c0 + u) * (f - f * f));
			st(z + 2 * VL, dg);
			st(z + 3 * VL, d * t * (o - o * o));
			st(dc + u, e * f);
		}
}

// gather adds to dh of the active rows the gradient by what direction d of layer l puts out after step s: dy, or what the next layer has
// left where it takes it in.
static void gather(const vk_net *L, const block *B, int64_t l, int64_t d, int64_t s, int64_t act, const float *dy, float *dh) {
	const vk_layer *Y = L->layer + l;
	for (int64_t r = 0; r < act; r++) {
		int64_t p, end;
		float *to = dh + r * Y->out;
		span(L, B, Y, d, r, s, &p, &end);
		for (; p < end; p++)
			for (int64_t e = 0; e < (Y->direct ? Y[1].directions : 1); e++) {
				const float *from = (Y->direct ? input(L, B, l + 1, e, r, p) : dy + (B->off[p] + r) * Y->out) + d * Y->H;
				for (int64_t u = 0; u < Y->H; u += VL) st(to + u, ld(to + u) + ld(from + u));
			}
	}
}

// scatter writes to dx, or adds, the gradient by what came in, which the weight gradient has left in its place.
static void scatter(const block *B, const vk_layer *Y, int64_t d, const float *a, float *dx) {
	for (int64_t s = 0; s < B->steps; s++)
		for (int64_t r = 0; r < B->off[s + 1] - B->off[s]; r++) {
			const float *from = a + (B->off[s] + r) * Y->KA + Y->H;
			float *to = dx + (B->off[position(B, Y, d, r, s)] + r) * Y->in;
			if (d == 0) memcpy(to, from, sizeof(float) * (size_t)Y->in);
			else for (int64_t u = 0; u < Y->in; u += VL) st(to + u, ld(to + u) + ld(from + u));
		}
}

// transposed makes to[rows][columns], rows so far apart, from dz and a kernel transposed: the gradient by what the kernel
// was multiplied with.
static void transposed(const vk_layer *L, float *to, int64_t stride, int64_t columns, const float *kernel, const float *dz, int64_t panel, int64_t rows) {
	for (int64_t u = 0; u < columns; u += W4) {
		int V = u + W4 <= columns ? 4 : (int)((columns - u) / VL);
		int64_t most = CHUNK / (V * VL) > 0 ? CHUNK / (V * VL) : 1;
		for (int64_t j = 0; j < L->J; j += most) {
			int64_t panels = j + most < L->J ? most : L->J - j;
			for (int64_t r = 0, R1; r < rows; r += R1) {
				R1 = height(rows - r);
#define GO(R) back##R(V, to + r * stride + u, stride, dz + j * panel + r * W4, panel, kernel + u * 4 * L->H + j * W4 * V * VL, panels, j > 0)
				TILES(R1, GO)
#undef GO
			}
		}
	}
}

// directionBackward runs direction d of layer l back from dh, the gradient by each row's last h, and dy, that by what the layer puts
// out at each step where another reads it. It writes the gradient of the direction's panels to G, or adds it with add set, and that
// by what came in to dx.
static void directionBackward(const vk_net *L, const block *B, int64_t l, int64_t d, const float *dy, float *dh, float *dx, float *G, int add) {
	const vk_layer *Y = L->layer + l;
	const track *W = &B->direction[l][d];
	int64_t H = Y->H, KA = Y->KA, panel = B->N * W4;
	memset(B->dc, 0, sizeof(float) * (size_t)(B->n * H));
	for (int64_t s = B->steps - 1; s >= 0; s--) {
		int64_t act = B->off[s + 1] - B->off[s], before = s == 0 ? 0 : B->n + B->off[s - 1];
		float *dz = W->g + B->off[s] * W4;
		if (!Y->last) gather(L, B, l, d, s, act, dy, dh);
		if (Y->relu) derivatives(1, Y, dz, panel, W->c + before * H, W->tc + B->off[s] * H, dh, B->dc, act);
		else derivatives(0, Y, dz, panel, W->c + before * H, W->tc + B->off[s] * H, dh, B->dc, act);
		if (s > 0) transposed(Y, dh, Y->out, H, Y->direction[d].ut, dz, panel, act);
	}
	for (int64_t n0 = 0; n0 < B->N; n0 += NC) {
		int64_t n = n0 + NC < B->N ? NC : B->N - n0;
		for (int64_t j = 0; j < Y->J; j++)
			for (int64_t k = 0, R1; k < Y->K; k += R1) {
				R1 = height(Y->K - k);
#define GO(R) weights##R(G + (j * Y->K + k) * W4, W->a + n0 * KA + k, KA, W->g + j * panel + n0 * W4, n, add || n0 > 0)
				TILES(R1, GO)
#undef GO
			}
		if (l > 0) transposed(Y, W->a + n0 * KA + H, KA, Y->in, Y->direction[d].kt, W->g + n0 * W4, panel, n);
	}
	if (l > 0 && !Y->fed) scatter(B, Y, d, W->a, dx);
}

// lstmBackward runs an LSTM layer back from dy, the gradient by what it puts out: of its panels to G, by what came in to dx.
static void lstmBackward(const vk_net *L, const block *B, int64_t l, float *dy, float *dx, float *G, int add) {
	const vk_layer *Y = L->layer + l;
	if (B->N == 0) {
		for (int64_t d = 0; d < Y->directions && !add; d++) memset(G + Y->direction[d].at, 0, sizeof(float) * (size_t)(Y->J * Y->K * W4));
		return;
	}
	float *dh = Y->last ? dy : B->dh;
	if (!Y->last) memset(dh, 0, sizeof(float) * (size_t)(B->n * Y->out));
	for (int64_t d = 0; d < Y->directions; d++) directionBackward(L, B, l, d, dy, dh + d * Y->H, dx, G + Y->direction[d].at, add);
}
