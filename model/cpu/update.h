// Part of generic.h: the parameters, and how a step moves them.

// piece is a part of the parameters of one kind: rows of a panel, or vectors of another variable. Threads share pieces.
typedef struct {
	int64_t at, n;         // where it begins, and how many floats it has
	const vk_layer *layer; // NULL: it is of variable
	const vk_variable *variable;
	int64_t d, first;      // direction; place of its recurrent_kernel, or of variable, in scale
	int64_t j, k;          // panel and first row
} piece;
#define PIECE 16 // rows of a panel in a piece, or groups of four vectors of another variable
INL int64_t per(const vk_layer *Y) { return (Y->K + PIECE - 1) / PIECE; }
INL int64_t perOf(const vk_variable *V) { return (V->n + PIECE * W4 - 1) / (PIECE * W4); }
INL int64_t pieces(const vk_net *L) {
	int64_t n = 0;
	for (int64_t l = 0; l < L->layers; l++) n += L->layer[l].directions * L->layer[l].J * per(L->layer + l);
	for (int64_t v = 0; v < L->variables; v++) n += perOf(L->variable + v);
	return n;
}
static piece pieceOf(const vk_net *L, int64_t i) {
	piece P = {0};
	for (int64_t l = 0; l < L->layers; l++)
		for (int64_t d = 0; d < L->layer[l].directions; d++) {
			const vk_layer *Y = L->layer + l;
			if (i < Y->J * per(Y)) {
				P.layer = Y;
				P.d = d;
				P.j = i / per(Y);
				P.k = i % per(Y) * PIECE;
				P.n = (P.k + PIECE < Y->K ? PIECE : Y->K - P.k) * W4;
				P.at = Y->direction[d].at + (P.j * Y->K + P.k) * W4;
				return P;
			}
			i -= Y->J * per(Y);
			P.first += 3;
		}
	const vk_variable *V = L->variable;
	for (; i >= perOf(V); V++, P.first++) i -= perOf(V);
	P.variable = V;
	P.at = V->at + i * PIECE * W4;
	P.n = V->n - i * PIECE * W4 < PIECE * W4 ? V->n - i * PIECE * W4 : PIECE * W4;
	return P;
}

// turned writes rows k … last−1 of a panel, of which rows first … first+columns−1 are a kernel's, to this kernel transposed.
INL void turned(float *kernel, int64_t columns, int64_t first, const vk_layer *Y, const float *panel, int64_t j, int64_t k, int64_t last) {
	k = k > first ? k : first;
	last = last < first + columns ? last : first + columns;
	while (k < last) {
		int64_t u = (k - first) / W4 * W4, width = u + W4 <= columns ? W4 : columns - u, end = last < first + u + width ? last : first + u + width;
		float *to = kernel + u * 4 * Y->H + j * W4 * width;
		for (int64_t c = 0; c < W4; c++)
			for (int64_t i = k; i < end; i++) to[c * width + i - first - u] = panel[i * W4 + c];
		k = end;
	}
}

// derived makes the other forms of a piece of the parameters: the forward pass's panels, and what goes back.
INL void derived(const vk_net *L, piece P) {
	if (!P.layer) {
		const vk_variable *V = P.variable;
		if (!V->turned) return;
		int64_t out = V->out, in = V->n / out, u = (P.at - V->at) / out, d = (P.at - V->at) % out;
		for (int64_t i = P.at; i < P.at + P.n; i++) {
			V->turned[d * in + u] = L->p[i];
			if (++d == out) d = 0, u++;
		}
		return;
	}
	const vk_direction *W = P.layer->direction + P.d;
	const float *p = L->p + P.at;
	float *w = W->w + (P.at - W->at), cell = P.layer->relu ? 1 : 2 * LOG2E;
	for (int64_t i = 0; i < P.n; i += W4)
		UNROLL for (int v = 0; v < 4; v++) st(w + i + v * VL, ld(p + i + v * VL) * (v == 2 ? cell : -LOG2E));
	const float *panel = L->p + W->at + P.j * P.layer->K * W4;
	turned(W->ut, P.layer->H, 0, P.layer, panel, P.j, P.k, P.k + P.n / W4);
	if (W->kt) turned(W->kt, P.layer->in, P.layer->H, P.layer, panel, P.j, P.k, P.k + P.n / W4);
}
static void CAT(derive, ISA)(vk_net *L, int64_t part, int64_t parts) {
	int64_t all = pieces(L);
	for (int64_t i = all * part / parts; i < all * (part + 1) / parts; i++) derived(L, pieceOf(L, i));
}

// sum adds the lanes' gradients to the first.
static void CAT(sum, ISA)(vk_net *L, int64_t lanes, int64_t part, int64_t parts) {
	int64_t vectors = L->np / VL;
	for (int64_t i = vectors * part / parts * VL; i < vectors * (part + 1) / parts * VL; i += VL) {
		vf g = ld(L->grad + i);
		for (int64_t l = 1; l < lanes; l++) g += ld(L->grad + l * L->np + i);
		st(L->grad + i, g);
	}
}

// square adds the squares of n values of the gradient, from i on; of a kernel's with the penalty's.
INL double square(const vk_net *L, int kernel, int64_t i, int64_t n) {
	double s = 0;
	if (kernel && L->l2 > 0)
		for (; n > 0; n--, i++) {
			float g = L->grad[i] + L->l2 * L->p[i];
			s += (double)g * g;
		}
	else
		for (; n > 0; n--, i++) s += (double)L->grad[i] * L->grad[i];
	return s;
}

// norms finds what the gradient of each variable is multiplied with. With a penalty it reads the parameters, so no thread may
// update them meanwhile.
static void CAT(norms, ISA)(vk_net *L) {
	float *f = L->scale;
	double *s = L->norm, total = 0;
	int64_t n = 0;
	for (int64_t l = 0; l < L->layers; l++)
		for (int64_t d = 0; d < L->layer[l].directions; d++, n += 3) {
			const vk_layer *Y = L->layer + l;
			s[n] = s[n + 1] = s[n + 2] = 0;
			for (int64_t j = 0; j < Y->J; j++) {
				int64_t g = Y->direction[d].at + j * Y->K * W4;
				s[n] += square(L, 1, g, Y->H * W4);
				s[n + 1] += square(L, 1, g + Y->H * W4, Y->in * W4);
				s[n + 2] += square(L, 0, g + (Y->K - 1) * W4, W4);
			}
		}
	for (const vk_variable *V = L->variable; V < L->variable + L->variables; V++) s[n++] = square(L, V->kernel, V->at, V->n);
	for (int64_t v = 0; v < n; v++) {
		double norm = sqrt(s[v]);
		total += s[v];
		f[v] = L->clip > 0 && !(norm <= L->clip) ? (float)(L->clip / norm) : 1;
	}
	if (L->global_clip > 0) {
		double norm = sqrt(total), a = 1 / norm, b = 1 / L->global_clip;
		for (int64_t v = 0; v < n; v++) f[v] = isnan(norm) || isinf(norm) ? NAN : (float)(L->global_clip * (a < b ? a : b));
	}
}

// step moves one vector of parameters: the rule of model.Optimizer.Step.
INL void step(const vk_net *L, int64_t i, vf g, float alpha, float decay) {
	vf p = ld(L->p + i);
	p -= p * decay;
	if (!L->adam) {
		st(L->p + i, p - alpha * g);
		return;
	}
	vf m = ld(L->m + i), v = ld(L->v + i);
	m += (g - m) * L->b1;
	v += (g * g - v) * L->b2;
	st(L->m + i, m);
	st(L->v + i, v);
	st(L->p + i, p - alpha * m * RECIPROCAL(VMIN(all(1e38f), VSQRT(v) + L->epsilon))); // a v of Inf must give 0
}

// variable returns the place in scale of what lies at q in the piece, and whether it is a kernel.
INL int64_t variable(const piece *P, int64_t q, int *kernel) {
	if (!P->layer) {
		*kernel = P->variable->kernel;
		return P->first;
	}
	int64_t row = P->k + (q - P->at) / W4, v = row < P->layer->H ? 0 : row < P->layer->K - 1 ? 1 : 2;
	*kernel = v < 2;
	return P->first + v;
}

// update takes the optimizer's step on one part of the parameters. lanes 0 means that the gradient is summed in the
// first lane, and is to be clipped by what norms found.
static void CAT(update, ISA)(vk_net *L, int64_t lanes, float alpha, float decay, int64_t part, int64_t parts) {
	const float *f = L->scale;
	int64_t all = pieces(L);
	for (int64_t i = all * part / parts; i < all * (part + 1) / parts; i++) {
		piece P = pieceOf(L, i);
		for (int64_t q = P.at; q < P.at + P.n; q += VL) {
			vf g = ld(L->grad + q);
			for (int64_t l = 1; l < lanes; l++) g += ld(L->grad + l * L->np + q);
			if (lanes == 0 || L->l2 > 0) {
				int kernel;
				int64_t v = variable(&P, q, &kernel);
				if (kernel && L->l2 > 0) g += L->l2 * ld(L->p + q);
				if (lanes == 0 && f[v] != 1) g *= f[v];
			}
			step(L, q, g, alpha, decay);
		}
		derived(L, P);
	}
}
