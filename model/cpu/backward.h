// Part of generic.h: the LSTM layers backward.

// derivatives turns the gates of the active rows into dz, and dc into the gradient by c before the step.
static void derivatives(const vk_layer *L, float *G, int64_t panel, const float *c0, const float *tc, const float *dh, float *dc, int64_t act) {
	int64_t H = L->H, out = L->out;
	for (int64_t j = 0; j < H; j += VL)
		for (int64_t r = 0; r < act; r++) {
			float *z = G + j / VL * panel + r * W4;
			int64_t u = r * H + j;
			vf i = ld(z), f = ld(z + VL), g = ld(z + 2 * VL), o = ld(z + 3 * VL), t = ld(tc + u), d = ld(dh + r * out + j);
			vf e = ld(dc + u) + d * o * (1.f - t * t);
			st(z, e * g * (i - i * i));
			st(z + VL, e * ld(c0 + u) * (f - f * f));
			st(z + 2 * VL, e * i * (1.f - g * g));
			st(z + 3 * VL, d * t * (o - o * o));
			st(dc + u, e * f);
		}
}

// receive adds to dh of the active rows the gradient by what direction d of layer l puts out after step s, which the layer
// after has left where it came in.
static void receive(const vk_net *L, const block *B, int64_t l, int64_t d, int64_t s, int64_t act, float *dh) {
	const vk_layer *Y = L->layer + l, *U = Y + 1;
	for (int64_t e = 0; e < U->directions; e++)
		for (int64_t r = 0; r < act; r++) {
			const float *from = B->direction[l + 1][e].a + place(B, r, s, d, e) * U->KA + U->H + d * Y->H;
			float *to = dh + r * Y->out;
			for (int64_t u = 0; u < Y->H; u += VL) st(to + u, ld(to + u) + ld(from + u));
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

// directionBackward runs direction d of layer l back from dh, the gradient by each row's last h. It writes the gradient of the
// direction's panels to G, or adds it with add set, and that by what came in, where a layer put it out, in place of it.
static void directionBackward(const vk_net *L, const block *B, int64_t l, int64_t d, float *G, int add) {
	const vk_layer *Y = L->layer + l;
	const track *W = &B->direction[l][d];
	int64_t H = Y->H, KA = Y->KA, panel = B->N * W4;
	float *dh = B->dh + d * H;
	memset(B->dc, 0, sizeof(float) * (size_t)(B->n * H));
	for (int64_t s = B->steps - 1; s >= 0; s--) {
		int64_t act = B->off[s + 1] - B->off[s], before = s == 0 ? 0 : B->n + B->off[s - 1];
		float *dz = W->g + B->off[s] * W4;
		if (l + 1 < L->layers) receive(L, B, l, d, s, act, dh);
		derivatives(Y, dz, panel, W->c + before * H, W->tc + B->off[s] * H, dh, B->dc, act);
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
}

// backward runs all layers back from dh of the last one, and writes or adds the gradient of all panels.
static void backward(const vk_net *L, block *B, float *G, int add) {
	if (B->N == 0) {
		if (!add) memset(G, 0, sizeof(float) * (size_t)L->head);
		return;
	}
	for (int64_t l = L->layers - 1; l >= 0; l--) {
		if (l + 1 < L->layers) memset(B->dh, 0, sizeof(float) * (size_t)(B->n * L->layer[l].out));
		for (int64_t d = 0; d < L->layer[l].directions; d++) directionBackward(L, B, l, d, G + L->layer[l].direction[d].at, add);
	}
}
