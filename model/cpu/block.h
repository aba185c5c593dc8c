// Part of generic.h: the working memory of a block, and its rows.

// track is the working memory of one direction over a block's rows, of an LSTM layer. Without train only the last
// two steps are kept, but for what a layer after the first takes in, which lies in a whole.
typedef struct {
	float *a;             // [N][KA]: h before the step, what comes in, 1; after the weight gradient, that by what came in
	float *g;             // [J][N][4][VL]: z, activated gates, then dz
	float *c, *tc;        // [n+N][H]: cell state, the first n rows 0; [N][H]: its tanh
} track;

// block is the working memory of one block of n rows. Rows are sorted by their number of used steps, longest first;
// position r is row order[r]. A direction's step s is its s-th used step of a row, from the first or from the last: on rows are
// active at s, and their states begin at off[s]; N of them in all.
typedef struct {
	int64_t n, N, steps;
	int64_t *off;         // [T+2]
	int32_t *used;        // [n][T], by row
	int32_t *length;      // [n], by row
	int32_t *order;       // [n]
	track direction[VK_LAYERS][2];
	float *h, *dh;        // [n][out of the current layer]
	float *dc;            // [n][H]
	float *keep, *hd;     // [out]: dropout of a row, and h after it
	float *dense, *dd;    // [D]
} block;

// memory is scratch memory, of which take cuts floats off, on a new cache line. Without a base it only counts.
typedef struct { float *base; int64_t at; } memory;
INL void *take(memory *m, int64_t n) {
	float *p = m->base ? m->base + m->at : NULL;
	m->at += up(n, 16);
	return p;
}

// rows takes the lists of a block's rows, and tracks what depends on how many steps these have.
static void rows(block *B, const vk_net *L, int64_t n, memory *m) {
	B->n = n;
	B->off = take(m, 2 * (L->T + 2));
	B->used = take(m, n * L->T);
	B->length = take(m, n);
	B->order = take(m, n);
}
static void tracks(block *B, const vk_net *L, int train, memory *m) {
	int64_t n = B->n, H = 0, out = 0;
	for (int64_t l = 0; l < L->layers; l++) {
		H = L->layer[l].H > H ? L->layer[l].H : H;
		out = L->layer[l].out > out ? L->layer[l].out : out;
	}
	track both = {0};
	if (!train) { // of the current step, whichever direction's it is
		both.g = take(m, n * 4 * H);
		both.c = take(m, 3 * n * H);
	}
	for (int64_t l = 0; l < L->layers; l++)
		for (int64_t d = 0; d < L->layer[l].directions; d++) {
			const vk_layer *Y = L->layer + l;
			track *W = &B->direction[l][d];
			*W = both;
			W->a = take(m, (train || l > 0 ? B->N : 2 * n) * Y->KA);
			if (!train) continue;
			W->g = take(m, B->N * 4 * Y->H);
			W->c = take(m, (n + B->N) * Y->H);
			W->tc = take(m, B->N * Y->H);
		}
	B->h = take(m, n * out);
	B->dh = take(m, n * out);
	B->dc = take(m, n * H);
	B->keep = take(m, L->out);
	B->hd = take(m, L->out);
	B->dense = take(m, L->D);
	B->dd = take(m, L->D);
}

static int64_t CAT(scratch, ISA)(const vk_net *L, int64_t n, int train) {
	block B;
	memory m = {0};
	rows(&B, L, n, &m);
	B.N = n * L->T;
	tracks(&B, L, train, &m);
	return m.at;
}

// scan lists the used steps of each row and sorts the rows.
static void scan(block *B, const vk_net *L, const vk_job *J, const int32_t *src) {
	int64_t F = L->F, T = L->T;
	const int32_t *whole = J->whole ? J->whole + (src - J->src) : NULL;
	for (int64_t i = 0; i < B->n; i++) {
		const float *x = src[i] < 0 ? J->data.augmented + (int64_t)~src[i] * T * F : J->data.x + (int64_t)src[i] * T * F;
		int32_t *used = B->used + i * T, n = 0;
		if (whole && whole[i])
			for (; n < T; n++) used[n] = n;
		else for (int64_t t = 0; t < T; t++, x += F) {
			int any = 0;
			if (src[i] < 0) for (int64_t f = 0; f < F; f++) any |= x[f] == x[f];
			else for (int64_t f = 0; f < F; f++) any |= x[f] < 0 || x[f] > 0;
			used[n] = (int32_t)t;
			n += any;
		}
		B->length[i] = n;
		int64_t r = i;
		for (; r > 0 && B->length[B->order[r - 1]] < n; r--) B->order[r] = B->order[r - 1];
		B->order[r] = (int32_t)i;
	}
	int64_t act = B->n;
	B->steps = B->length[B->order[0]];
	B->off[0] = 0;
	for (int64_t s = 0; s < B->steps; s++) {
		while (B->length[B->order[act - 1]] <= s) act--;
		B->off[s + 1] = B->off[s] + act;
	}
	B->N = B->off[B->steps];
}

static void layout(block *B, const vk_net *L, const vk_job *J, const int32_t *src, int64_t n, int train, float *s) {
	memory m = {s, 0};
	rows(B, L, n, &m);
	scan(B, L, J, src);
	tracks(B, L, train, &m);
}

// place returns where the states of a row's used step lie in direction e, when they are those of step s of the
// direction d at row r.
INL int64_t place(const block *B, int64_t r, int64_t s, int64_t d, int64_t e) {
	return B->off[d == e ? s : B->length[B->order[r]] - 1 - s] + r;
}
