// Part of generic.h: the ops without memory: merging, dropout, batch normalization and dense layers.

// rowsOf returns how many rows of values an op takes.
INL int64_t rowsOf(const block *B, const vk_op *O) { return O->steps ? B->N : B->n; }

// EACH_ROW runs body for each row i of an op, with r its place in the block and t its time step.
#define EACH_ROW(L, B, O, body) do { \
	if (!(O)->steps) for (int64_t r = 0, i = 0, t = 0; r < (B)->n; r++, i++) body \
	else for (int64_t s = 0; s < (B)->steps; s++) for (int64_t r = 0, i = (B)->off[s]; i < (B)->off[s + 1]; r++, i++) { \
		int64_t t = (B)->used[(B)->order[r] * (L)->T + s]; body } } while (0)

// mergeForward makes one value of each two: y[rows][out] of x[rows][2·out].
static void mergeForward(const vk_op *O, int64_t rows, const float *x, float *y) {
	int64_t n = O->out;
	for (int64_t i = 0; i < rows; i++, x += 2 * n, y += n)
		for (int64_t u = 0; u < n; u += VL) {
			vf a = ld(x + u), b = ld(x + n + u);
			st(y + u, O->how == VK_SUM ? a + b : O->how == VK_AVERAGE ? (a + b) * .5f : a * b);
		}
}
static void mergeBackward(const vk_op *O, int64_t rows, const float *x, const float *dy, float *dx) {
	int64_t n = O->out;
	for (int64_t i = 0; i < rows; i++, x += 2 * n, dx += 2 * n, dy += n)
		for (int64_t u = 0; u < n; u += VL) {
			vf d = ld(dy + u) * (O->how == VK_AVERAGE ? .5f : 1);
			st(dx + u, O->how == VK_PRODUCT ? d * ld(x + n + u) : d);
			st(dx + n + u, O->how == VK_PRODUCT ? d * ld(x + u) : d);
		}
}

// draws fills keep[out] for a row of a step's batch: the scale, or 0. Philox 4×32-10 under the counter
// (element/4, row, step, 2 + 256·stream), as model/philox has it; elements count on from one time step to the next, and from one
// direction to the other, without the padding.
static void draws(const vk_net *L, const vk_op *O, uint32_t row, int64_t t, uint32_t time, float *keep) {
	int64_t width = O->parts * O->units, padded = O->out / O->parts, first = t * width, last = first + width;
	memset(keep, 0, sizeof(float) * (size_t)O->out);
	int64_t part = 0, u = 0;
	for (int64_t e = first / 4 * 4; e < last; e += 4) {
		uint32_t c[4] = {(uint32_t)(e / 4), row, time, 2 | O->stream << 8}, k0 = L->key[0], k1 = L->key[1];
		for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
			uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
			uint32_t c1 = c[1], c3 = c[3];
			c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
			c[1] = (uint32_t)p1;
			c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
			c[3] = (uint32_t)p0;
		}
		for (int64_t i = e < first ? first : e; i < e + 4 && i < last; i++) {
			keep[part * padded + u] = c[i - e] >> 8 >= O->threshold ? O->keep : 0;
			if (++u == O->units) u = 0, part++;
		}
	}
}

// dropoutForward drops values of x[rows][out]. at says where in the job each row is.
static void dropoutForward(const vk_net *L, const vk_job *J, const block *B, const vk_op *O, const int32_t *at, uint32_t time, const float *x, float *keep, float *y) {
	int64_t w = O->out;
	EACH_ROW(L, B, O, {
		draws(L, O, (uint32_t)(at[B->order[r]] % J->batch), t, time, keep + i * w);
		for (int64_t u = i * w; u < (i + 1) * w; u++) y[u] = keep[u] != 0 ? x[u] * keep[u] : 0;
	});
}
static void dropoutBackward(int64_t n, const float *keep, const float *dy, float *dx) {
	for (int64_t u = 0; u < n; u += VL) {
		vf k = ld(keep + u);
		st(dx + u, (vf)((vi)(ld(dy + u) * k) & (k != 0)));
	}
}

// The sums of a VK_NORMALIZE over a block's rows, in float64: of each column x and x², then dy and dy·normalized x; and how many rows.
#define SUMS(O) (4 * (O)->out + 1)

// moments adds x[rows][in] up.
static void moments(const vk_op *O, int64_t rows, const float *x, double *sums) {
	int64_t w = O->in;
	memset(sums, 0, sizeof(double) * (size_t)(2 * w));
	sums[4 * w] = (double)rows;
	for (int64_t i = 0; i < rows; i++, x += w)
		for (int64_t u = 0; u < w; u++) {
			double v = x[u];
			sums[u] += v;
			sums[w + u] += v * v;
		}
}

// slopes adds dy and dy times the normalized x up.
static void slopes(const vk_op *O, int64_t rows, const float *x, const float *dy, double *sums) {
	int64_t w = O->in;
	memset(sums + 2 * w, 0, sizeof(double) * (size_t)(2 * w));
	for (int64_t i = 0; i < rows; i++, x += w, dy += w)
		for (int64_t u = 0; u < w; u++) {
			sums[2 * w + u] += dy[u];
			sums[3 * w + u] += (double)dy[u] * x[u];
		}
}

// batchMoments makes of the sums of all blocks the mean and the variance of each column, and returns the number of rows that they
// are divided by: Keras adds 1e-7 where steps may be masked. count is the number without that.
static double batchMoments(const vk_net *L, const vk_op *O, const double *sums, int64_t blocks, double *mean, double *variance, double *count) {
	int64_t w = O->in;
	double rows = 0;
	for (int64_t u = 0; u < w; u++) mean[u] = variance[u] = 0;
	for (int64_t b = 0; b < blocks; b++) {
		const double *s = sums + b * L->sums + O->sums;
		rows += s[4 * w];
		for (int64_t u = 0; u < w; u++) {
			mean[u] += s[u];
			variance[u] += s[w + u];
		}
	}
	double n = O->steps && L->masked ? rows + 1e-7 : rows;
	for (int64_t u = 0; u < w; u++) {
		double m = mean[u] / n, v = (variance[u] - 2 * m * mean[u] + rows * m * m) / n;
		mean[u] = m;
		variance[u] = v > 0 || v != v ? v : 0;
	}
	*count = rows;
	return n;
}

// normalizeForward makes y = gamma·(x − mean)/√(variance + small) + beta, and keeps it without gamma and beta, by the moments of the
// batch or, without sums, by the moving ones.
static void normalizeForward(const vk_net *L, const block *B, const vk_op *O, const double *sums, int64_t blocks, const float *x, float *kept, float *y) {
	int64_t w = O->in, rows = rowsOf(B, O);
	double *mean = B->column, *factor = mean + w, count;
	const float *gamma = L->p + L->variable[O->variable].at, *beta = L->p + L->variable[O->variable + 1].at;
	if (sums) batchMoments(L, O, sums, blocks, mean, factor, &count);
	else for (int64_t u = 0; u < w; u++) {
		mean[u] = L->p[O->moving + u];
		factor[u] = L->p[O->moving + w + u];
	}
	for (int64_t u = 0; u < w; u++) factor[u] = 1 / sqrt(factor[u] + O->small);
	for (int64_t i = 0; i < rows * w; i += w)
		for (int64_t u = 0; u < w; u++) {
			float v = (float)((x[i + u] - mean[u]) * factor[u]);
			if (kept) kept[i + u] = v;
			y[i + u] = gamma[u] * v + beta[u];
		}
}

// normalizeBackward takes dy back to x, which all rows' moments depend on, and adds the block's part of the gradient by gamma and beta.
static void normalizeBackward(const vk_net *L, const block *B, const vk_op *O, const double *sums, int64_t blocks, int64_t own,
		const float *kept, const float *dy, float *dx, float *G) {
	int64_t w = O->in, rows = rowsOf(B, O), g = L->variable[O->variable].at, b = L->variable[O->variable + 1].at;
	double *mean = B->column, *factor = mean + w, *dBeta = mean + 2 * w, *dGamma = mean + 3 * w, count;
	double n = batchMoments(L, O, sums, blocks, mean, factor, &count);
	for (int64_t u = 0; u < w; u++) {
		dBeta[u] = dGamma[u] = 0;
		for (int64_t k = 0; k < blocks; k++) {
			dBeta[u] += sums[k * L->sums + O->sums + 2 * w + u];
			dGamma[u] += sums[k * L->sums + O->sums + 3 * w + u];
		}
		G[b + u] += (float)sums[own * L->sums + O->sums + 2 * w + u];
		G[g + u] += (float)sums[own * L->sums + O->sums + 3 * w + u];
		double r = 1 / sqrt(factor[u] + O->small);
		// Deviations of used rows from the mean add up to mean·(n − count), not to 0.
		dBeta[u] = (dBeta[u] - r * dGamma[u] * mean[u] * (n - count) / n) / n;
		dGamma[u] /= n;
		factor[u] = r * L->p[g + u];
	}
	for (int64_t i = 0; i < rows * w; i += w)
		for (int64_t u = 0; u < w; u++) dx[i + u] = (float)(factor[u] * (dy[i + u] - dBeta[u] - kept[i + u] * dGamma[u]));
}

// move moves the moving moments by those of a step's batch.
static void CAT(move, ISA)(vk_net *L, const double *sums, int64_t blocks) {
	for (int64_t i = 0; i < L->ops; i++) {
		const vk_op *O = L->op + i;
		if (O->kind != VK_NORMALIZE) continue;
		int64_t w = O->in;
		float *mean = L->p + O->moving, *variance = mean + w;
		double m = O->momentum;
		for (int64_t u = 0; u < w; u++) { // of one column at a time, so that no memory is needed
			double x = 0, xx = 0, n = 0;
			for (int64_t b = 0; b < blocks; b++) {
				const double *s = sums + b * L->sums + O->sums;
				x += s[u];
				xx += s[w + u];
				n += s[4 * w];
			}
			double rows = n;
			if (O->steps && L->masked) n += 1e-7;
			double v = (xx - 2 * (x / n) * x + rows * (x / n) * (x / n)) / n;
			mean[u] = (float)(mean[u] * m + x / n * (1 - m));
			variance[u] = (float)(variance[u] * m + (v > 0 || v != v ? v : 0) * (1 - m));
		}
	}
}

INL vf activated(int how, vf z) {
	switch (how) {
	case VK_RELU: return VMAX(all(0), z); // a NaN stays
	case VK_TANH: return tanh2(z * (2 * LOG2E));
	case VK_SIGMOID: return sigmoid2(z * -LOG2E);
	default: return z;
	}
}

// denseForward takes a row x[in] to y[out].
INL void denseForward(const vk_net *L, const vk_op *O, const float *x, float *y) {
	const float *k = L->p + L->variable[O->variable].at, *b = L->p + L->variable[O->variable + 1].at;
	int64_t in = O->in, out = O->out;
	if (L->variable[O->variable].out == 1) {
		vf sum = {0};
		for (int64_t d = 0; d < in; d += VL) sum += ld(x + d) * ld(k + d);
		y[0] = b[0];
		UNROLL for (int l = 0; l < VL; l++) y[0] += sum[l];
		return;
	}
	for (int64_t d = 0; d < out; d += VL) {
		vf s0 = ld(b + d), s1 = {0};
		for (int64_t u = 0; u < in; u += 2) {
			s0 += x[u] * ld(k + u * out + d);
			s1 += x[u + 1] * ld(k + (u + 1) * out + d);
		}
		st(y + d, activated(O->how, s0 + s1));
	}
	if (O->how == VK_SIGMOID)
		for (int64_t d = O->units; d < out; d++) y[d] = 0; // the padding, which a sigmoid would make .5 of
}

// denseBackward takes a row's dy[out] back to dx[in], and adds the gradients of kernel and bias to G. dy becomes that before the activation.
static void denseBackward(const vk_net *L, const vk_op *O, const float *x, const float *y, float *dy, float *dx, float *G) {
	const vk_variable *kernel = L->variable + O->variable;
	int64_t in = O->in, out = O->out;
	float *gk = G + kernel->at, *gb = G + kernel[1].at;
	if (kernel->out == 1) {
		const float *k = L->p + kernel->at;
		gb[0] += dy[0];
		for (int64_t d = 0; d < in; d += VL) {
			st(gk + d, ld(gk + d) + dy[0] * ld(x + d));
			st(dx + d, dy[0] * ld(k + d));
		}
		return;
	}
	for (int64_t d = 0; d < out; d += VL) {
		vf v = ld(y + d), e = ld(dy + d);
		if (O->how == VK_RELU) e = (vf)((vi)e & (v > 0));
		else if (O->how == VK_TANH) e = e * (1.f - v * v);
		else if (O->how == VK_SIGMOID) e = e * (v - v * v);
		st(gb + d, ld(gb + d) + e);
		st(dy + d, e);
	}
	for (int64_t u = 0; u < in; u++)
		for (int64_t d = 0; d < out; d += VL) st(gk + u * out + d, ld(gk + u * out + d) + x[u] * ld(dy + d));
	for (int64_t u = 0; u < in; u += W4) {
		vf acc[4] = {{0}};
		int V = u + W4 <= in ? 4 : (int)((in - u) / VL);
		for (int64_t d = 0; d < out; d++)
			for (int v = 0; v < V; v++) acc[v] += dy[d] * ld(kernel->turned + d * in + u + v * VL);
		for (int v = 0; v < V; v++) st(dx + u + v * VL, acc[v]);
	}
}
