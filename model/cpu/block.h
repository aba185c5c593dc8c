// Part of generic.h: the working memory of a block, and its rows.

// track is the working memory of one direction of an LSTM layer over a block's rows. Without train only the last two steps are kept,
// but for what another layer writes.
typedef struct {
	float *a;             // [N][KA]: h before the step, what comes in, 1; after the weight gradient, that by what came in
	float *g;             // [J][N][4][VL]: z, activated gates, then dz
	float *c, *tc;        // [n+N][H]: cell state, the first n rows 0; [N][H]: its tanh
} track;

// block is the working memory of one block of n rows. Rows are sorted by their number of used steps, longest first;
// position r is row order[r]. A direction's step s is its s-th used step of a row, from the first or from the last: on rows are
// active at s, and their states begin at off[s]; N of them in all. What an op puts out at each step lies in the order of time.
typedef struct {
	int64_t n, N, steps;
	int64_t *off;         // [T+2]
	int32_t *used;        // [n][T], by row
	int32_t *length;      // [n], by row
	int32_t *order;       // [n]
	track direction[VK_LAYERS][2];
	float **y;            // of each op, what it puts out: [N][out], or [n][out] in the head
	float **kept;         // of each VK_DROPOUT, what it multiplies with; of each VK_NORMALIZE, its input normalized
	float *dy, *dx;       // the gradient by what an op puts out, and by what comes in
	float *h, *dh;        // [n][out of the current layer]
	float *dc;            // [n][H]
	double *column;       // [4][the most values of an op], or [2][classes]
	int64_t op, back, summed; // the next op; 1: on the way back, after op; 1: the sums of this op are made
} block;

// memory is scratch memory, of which take cuts floats off, on a new cache line. Without a base it only counts.
typedef struct { float *base; int64_t at; } memory;
INL void *take(memory *m, int64_t n) {
	float *p = m->base ? m->base + m->at : NULL;
	m->at += up(n, 16);
	return p;
}
#define TAKE(m, type, n) take(m, (int64_t)sizeof(type) / 4 * (n))

// rows takes the lists of a block's rows, and tracks what depends on how many steps these have.
static void rows(block *B, const vk_net *L, int64_t n, memory *m) {
	B->n = n;
	B->off = TAKE(m, int64_t, L->T + 2);
	B->used = take(m, n * L->T);
	B->length = take(m, n);
	B->order = take(m, n);
	B->y = TAKE(m, float *, L->ops);
	B->kept = TAKE(m, float *, L->ops);
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
			W->a = take(m, (train || Y->fed ? B->N : 2 * n) * Y->KA);
			if (!train) continue;
			W->g = take(m, B->N * 4 * Y->H);
			W->c = take(m, (n + B->N) * Y->H);
			W->tc = take(m, B->N * Y->H);
		}
	for (int64_t i = 0; i < L->ops; i++) {
		const vk_op *O = L->op + i;
		int64_t rows = O->steps ? B->N : n;
		int keeps = train && (O->kind == VK_DROPOUT || O->kind == VK_NORMALIZE);
		int none = O->kind == VK_DROPOUT ? !train : O->kind == VK_LSTM && L->layer[O->layer].direct;
		float *y = none ? NULL : take(m, rows * O->out), *kept = keeps ? take(m, rows * O->out) : NULL;
		if (m->base) {
			B->y[i] = y || i == 0 ? y : B->y[i - 1];
			B->kept[i] = kept;
		}
	}
	B->h = take(m, n * out);
	B->column = TAKE(m, double, 4 * L->width);
	if (!train) return;
	B->dy = take(m, B->N * L->sequence + n * L->width);
	B->dx = take(m, B->N * L->sequence + n * L->width);
	B->dh = take(m, n * out);
	B->dc = take(m, n * H);
}

static int64_t CAT(scratch, ISA)(const vk_net *L, int64_t n, int train) {
	block B;
	memory m = {0};
	take(&m, (int64_t)(sizeof(block) / sizeof(float)) + 1);
	rows(&B, L, n, &m);
	B.N = n * L->T;
	tracks(&B, L, train, &m);
	return m.at;
}

// usedSteps lists the steps of a window that are used, and returns how many they are.
INL int32_t usedSteps(const vk_net *L, const float *x, int augmented, int32_t *used) {
	int32_t n = 0;
	float mask = L->mask;
	for (int64_t t = 0; t < L->T; t++, x += L->F) {
		int any = 0;
		if (augmented) for (int64_t f = 0; f < L->F; f++) any |= x[f] == x[f];
		else for (int64_t f = 0; f < L->F; f++) any |= x[f] < mask || x[f] > mask;
		used[n] = (int32_t)t;
		n += any;
	}
	return n;
}

// scan lists the used steps of each row and sorts the rows.
static void scan(block *B, const vk_net *L, const vk_job *J, const int32_t *src) {
	int64_t F = L->F, T = L->T;
	const int32_t *whole = J->whole ? J->whole + (src - J->src) : NULL;
	for (int64_t i = 0; i < B->n; i++) {
		const float *x = src[i] < 0 ? J->data.augmented + (int64_t)~src[i] * T * F : J->data.x + (int64_t)src[i] * T * F;
		int32_t *used = B->used + i * T, n = 0;
		if (!L->masked || (whole && whole[i]))
			for (; n < T; n++) used[n] = n;
		else
			n = usedSteps(L, x, src[i] < 0, used);
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

// layout makes a block of n rows in scratch memory, where it begins itself.
static block *layout(const vk_net *L, const vk_job *J, const int32_t *src, int64_t n, int train, float *s) {
	memory m = {s, 0};
	block *B = take(&m, (int64_t)(sizeof(block) / sizeof(float)) + 1);
	memset(B, 0, sizeof(*B));
	rows(B, L, n, &m);
	scan(B, L, J, src);
	tracks(B, L, train, &m);
	return B;
}

// position returns where among a row's used steps, in the order of time, step s of a direction is.
INL int64_t position(const block *B, const vk_layer *Y, int64_t d, int64_t r, int64_t s) {
	return d == 1 || Y->backwards ? B->length[B->order[r]] - 1 - s : s;
}

// span finds the positions from … to−1 at which the next layer reads what step s of a direction puts out. That is one position, but
// where a layer goes backwards over masked steps: its outputs stand in the order in which they came, from the first step of time
// on, and a masked step repeats the one before it.
INL void span(const vk_net *L, const block *B, const vk_layer *Y, int64_t d, int64_t r, int64_t s, int64_t *from, int64_t *to) {
	int64_t i = B->order[r], length = B->length[i];
	if (!Y->backwards || length == L->T) {
		*from = d == 1 ? length - 1 - s : s;
		*to = *from + 1;
		return;
	}
	const int32_t *used = B->used + i * L->T;
	int64_t p = 0;
	while (p < length && used[p] < L->T - 1 - used[length - 1 - s]) p++;
	*from = p;
	while (p < length && (s + 1 == length || used[p] < L->T - 1 - used[length - 2 - s])) p++;
	*to = p;
}

// input returns what direction e of layer l takes in of a row at a position.
INL float *input(const vk_net *L, const block *B, int64_t l, int64_t e, int64_t r, int64_t p) {
	const vk_layer *Y = L->layer + l;
	return B->direction[l][e].a + (B->off[position(B, Y, e, r, p)] + r) * Y->KA + Y->H;
}
