// A header, though it holds code: go build looks for changes in files that it knows, and an .inc is none.
// The kernels, written once in GCC's vector extensions and compiled for each instruction set. The including file sets
// VL (floats in a vector), MR (rows of a register tile), ISA and NAME, and what the extensions lack: VMIN, VMAX (both
// return the second operand when one is NaN), VSQRT. RECIPROCAL, EXP2PARTS and EXP2 may be set to something faster.
#include "kernels.h"
#include <math.h>
#include <string.h>

#define CAT2(a, b) a##b
#define CAT(a, b) CAT2(a, b)
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define TWO _Pragma("clang loop unroll_count(2)")
#else
#define UNROLL _Pragma("GCC unroll 8")   // without it the accumulators pass through memory
#define TWO _Pragma("GCC unroll 2")
#endif
// A loop's own counting takes turns from the multiplications: 10 % of them with AVX-512. With 16 registers, though, two
// rounds of the tile's loop at once do not fit.
#if VL == 16 || defined(__aarch64__)
#define TWICE TWO
#else
#define TWICE
#endif
#define INL static inline __attribute__((always_inline))
#define OUT static __attribute__((noinline))
#define W4 (4 * VL)   // width of a panel: four vectors
#define NC 64         // row-steps of a chunk of the weight gradient: both operands stay in the first cache
#define CHUNK (6144 / W4) // rows of a panel that are worked on at a time: 24 KiB

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef float vu __attribute__((vector_size(VL * 4), aligned(4), may_alias));

INL vf ld(const float *p) { return *(const vu *)p; }
INL void st(float *p, vf v) { *(vu *)p = v; }
INL vf all(float x) { return x - (vf){0}; }
INL int64_t up(int64_t n, int64_t m) { return (n + m - 1) / m * m; }

// Activations. The weights of the forward pass are scaled, so that a gate's z is what 2 must be raised to:
//
//	sigmoid   1/(1 + 2^z)           z scaled by -log2(e)
//	tanh      (2^z - 1)/(2^z + 1)   z scaled by 2·log2(e); 2^z - 1 is computed without cancellation
//
// 2^z = 2^n · 2^r with n whole. On |r| <= 1/2, (2^r - 1)/r is the minimax polynomial q0 … q5, 0.2 units of 2^-24 off.
#define LOG2E 1.44269504f
#ifndef EXP2PARTS
// EXP2PARTS splits z: r = z - n and s = 2^n.
#define EXP2PARTS(z, r, s) do { \
	vf magic = all(12582912.f), n_ = z + magic; /* 1.5·2^23: adding it rounds to a whole number */ \
	s = (vf)(((vi)n_ - (0x4B400000 - 127)) << 23); \
	r = z - (n_ - magic); } while (0)
#endif
#ifndef RECIPROCAL
#define RECIPROCAL(x) (1.f / (x))
#endif

// grown returns (2^r - 1)·s for the parts of z.
INL vf grown(vf r, vf s) {
	vf q = r * 1.5469735e-4f + 1.3390867e-3f;
	q = q * r + 9.618031e-3f;
	q = q * r + 5.550357e-2f;
	q = q * r + 2.402265e-1f;
	q = q * r + 6.931472e-1f;
	return q * r * s;
}
// below and above return what a sigmoid, 1/below, and a tanh, above/(above + 2), are made of. The bounds keep 2^z finite,
// and products of two of them; where they act, a tanh is 1 to the last digit and a sigmoid below 3e-19.
INL vf below(vf z) {
	z = VMIN(all(62.f), z);
#ifdef EXP2
	return 1.f + EXP2(z);
#else
	vf r, s;
	z = VMAX(all(-126.f), z);
	EXP2PARTS(z, r, s);
	return 1.f + (grown(r, s) + s);
#endif
}
INL vf above(vf z) {
	vf r, s;
	z = VMIN(all(62.f), z);
#ifndef EXP2
	z = VMAX(all(-126.f), z);
#endif
	EXP2PARTS(z, r, s);
	return grown(r, s) + (s - 1.f);
}
INL vf sigmoid2(vf z) { return RECIPROCAL(below(z)); }
INL vf tanh2(vf z) {
	vf e = above(z);
	return e * RECIPROCAL(e + 2.f);
}

// zero sets accumulators by assignments: of an initialiser GCC makes a slow memset.
INL void zero(const int R, const int V, vf acc[MR][4]) {
	UNROLL for (int r = 0; r < R; r++)
		UNROLL for (int v = 0; v < V; v++) acc[r][v] = (vf){0};
}
INL void load(const int R, const int V, vf acc[MR][4], const float *c, int64_t rs) {
	UNROLL for (int r = 0; r < R; r++)
		UNROLL for (int v = 0; v < V; v++) acc[r][v] = ld(c + r * rs + v * VL);
}
INL void store(const int R, const int V, vf acc[MR][4], float *c, int64_t rs) {
	UNROLL for (int r = 0; r < R; r++)
		UNROLL for (int v = 0; v < V; v++) st(c + r * rs + v * VL, acc[r][v]);
}
// tile is the one product of all three passes: acc[r][v] += sum over n values k of a[r*rs + k*ks] · w[k*V + v]. Sums
// go in the order of k whatever R is, so that a row's bits do not depend on the rows beside it.
INL void tile(const int R, const int V, vf acc[MR][4], const float *a, int64_t rs, int64_t ks, const float *w, int64_t n) {
	TWICE for (int64_t k = 0; k < n; k++, a += ks, w += V * VL) {
		vf x[4];
		UNROLL for (int v = 0; v < V; v++) x[v] = ld(w + v * VL);
		UNROLL for (int r = 0; r < R; r++)
			UNROLL for (int v = 0; v < V; v++) acc[r][v] += a[r * rs] * x[v];
	}
}
// height is that of the next row tile: at most MR, and even, because a single row leaves most of the pipeline empty.
INL int height(int64_t left) { int64_t tiles = (left + MR - 1) / MR; return (int)((left + tiles - 1) / tiles); }
#if MR == 3
#define EACH_R(X) X(1) X(2) X(3)
#define TILES(n, BODY) switch (n) { case 1: BODY(1); break; case 2: BODY(2); break; default: BODY(3); }
#elif MR == 4
#define EACH_R(X) X(1) X(2) X(3) X(4)
#define TILES(n, BODY) switch (n) { case 1: BODY(1); break; case 2: BODY(2); break; case 3: BODY(3); break; default: BODY(4); }
#elif MR == 6
#define EACH_R(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define TILES(n, BODY) switch (n) { case 1: BODY(1); break; case 2: BODY(2); break; case 3: BODY(3); break; \
	case 4: BODY(4); break; case 5: BODY(5); break; default: BODY(6); }
#endif

// block is the working memory of one block of n rows. Rows are sorted by their number of used steps, longest first;
// position r is row order[r]. Step s of a row is its s-th used step: on rows are active at s, and their states begin at
// off[s]; N of them in all. Without train only two steps are kept.
typedef struct {
	int64_t n, N, steps;
	int64_t *off;         // [T+2]
	int32_t *used;        // [n][T], by row
	int32_t *length;      // [n], by row
	int32_t *order;       // [n]
	float *a;             // [N][KA]: h before the step, x, 1
	float *g;             // [J][N][4][VL]: z, activated gates, then dz
	float *c, *tc;        // [n+N][H]: cell state, the first n rows 0; [N][H]: its tanh
	float *h, *dh, *dc;   // [n][H]
	float *keep, *hd;     // [H]: dropout of a row, and h behind it
	float *dense, *dd;    // [D]
} block;

static int64_t CAT(scratch, ISA)(const vk_net *L, int64_t n, int train) {
	int64_t N = train ? n * L->T : 2 * n;
	return 2 * (L->T + 2) + n * L->T + 2 * n + N * L->KA + (train ? N : n) * 4 * L->H + (n + N) * L->H +
		(train ? N : n) * L->H + 3 * n * L->H + 2 * (L->H + L->D) + 16 * 16;
}

// take cuts n floats off the scratch memory, on a new cache line.
INL float *take(float **s, int64_t n) {
	float *p = *s;
	*s += up(n, 16);
	return p;
}

// scan lists the used steps of each row and sorts the rows.
static void scan(block *B, const vk_net *L, const vk_job *J, const int32_t *src) {
	int64_t F = L->F, T = L->T;
	const int32_t *whole = J->whole ? J->whole + (src - J->src) : NULL;
	for (int64_t i = 0; i < B->n; i++) {
		const float *x = src[i] < 0 ? J->data.varied + (int64_t)~src[i] * T * F : J->data.x + (int64_t)src[i] * T * F;
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
	B->n = n;
	B->off = (int64_t *)take(&s, 2 * (L->T + 2));
	B->used = (int32_t *)take(&s, n * L->T);
	B->length = (int32_t *)take(&s, n);
	B->order = (int32_t *)take(&s, n);
	scan(B, L, J, src);
	int64_t N = train ? B->N : 2 * n;
	B->a = take(&s, N * L->KA);
	B->g = take(&s, (train ? N : n) * 4 * L->H);
	B->c = take(&s, (n + N) * L->H);
	B->tc = take(&s, (train ? N : n) * L->H);
	B->h = take(&s, n * L->H);
	B->dh = take(&s, n * L->H);
	B->dc = take(&s, n * L->H);
	B->keep = take(&s, L->H);
	B->hd = take(&s, L->H);
	B->dense = take(&s, L->D);
	B->dd = take(&s, L->D);
}

// gates: z (+)= rows of a times rows of a panel. Not inlined: constants of the activations would take registers.
#define GATES(R) OUT void gates##R(float *z, const float *a, int64_t KA, const float *w, int64_t n, int add) { \
	vf acc[MR][4]; \
	if (add) load(R, 4, acc, z, W4); else zero(R, 4, acc); \
	tile(R, 4, acc, a, KA, 1, w, n); \
	store(R, 4, acc, z, W4); }
EACH_R(GATES)

// gates of one row, two panels at a time: four sums alone would wait for each other.
OUT void gatesPair(float *z, int64_t zs, const float *a, const float *w, int64_t ws, int64_t n, int add) {
	vf acc[2][4];
	UNROLL for (int j = 0; j < 2; j++)
		UNROLL for (int v = 0; v < 4; v++) acc[j][v] = add ? ld(z + j * zs + v * VL) : (vf){0};
	for (int64_t k = 0; k < n; k++, w += W4)
		UNROLL for (int j = 0; j < 2; j++)
			UNROLL for (int v = 0; v < 4; v++) acc[j][v] += a[k] * ld(w + j * ws + v * VL);
	UNROLL for (int j = 0; j < 2; j++)
		UNROLL for (int v = 0; v < 4; v++) st(z + j * zs + v * VL, acc[j][v]);
}

// products makes z of the active rows from a, panel by panel.
static void products(const vk_net *L, float *z, int64_t panel, const float *a, int64_t act) {
	int64_t chunks = (L->K + CHUNK - 1) / CHUNK, size = (L->K + chunks - 1) / chunks;
	for (int64_t j = 0; j < L->J; j++) {
		int pair = act == 1 && j + 1 < L->J;
		for (int64_t k = 0; k < L->K; k += size) {
			const float *w = L->w + (j * L->K + k) * W4;
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
		j += pair;
	}
}

// cells: gates, c, tanh(c) and h of the active rows. Two loops, because one row's chain from gate to h is far longer
// than what a core looks ahead over. Rows that go on hand h to their next step; the others end.
INL void cells(const int train, const vk_net *L, float *G, int64_t panel, const float *c0, float *c, float *tc,
		int64_t act, int64_t next, float *a, float *h) {
	int64_t H = L->H;
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
			st((r < next ? a + r * L->KA : h + r * H) + j, ld(G + j / VL * panel + r * W4 + 3 * VL) * t);
			if (train) st(tc + r * H + j, t);
		}
}

// inputs writes x and 1 behind h of the active rows.
INL void inputs(const vk_net *L, const vk_job *J, const int32_t *src, const block *B, int64_t s, int64_t act, float *a) {
	int64_t F = L->F, T = L->T;
	for (int64_t r = 0; r < act; r++) {
		int64_t i = B->order[r], t = B->used[i * T + s];
		float *to = a + r * L->KA + L->H;
		if (src[i] < 0) {
			const float *x = J->data.varied + ((int64_t)~src[i] * T + t) * F;
			for (int64_t f = 0; f < F; f++) to[f] = x[f] == x[f] ? x[f] : 0;
		} else {
			const float *x = J->data.x + ((int64_t)src[i] * T + t) * F;
			for (int64_t f = 0; f < F; f++) to[f] = x[f] == x[f] ? (x[f] - L->offset[f]) * L->factor[f] : 0;
		}
		to[F] = 1;
	}
}

INL void forward(const int train, const vk_net *L, const vk_job *J, const int32_t *src, block *B) {
	int64_t n = B->n, H = L->H;
	memset(B->c, 0, sizeof(float) * (size_t)(n * H));
	memset(B->h, 0, sizeof(float) * (size_t)(n * H));
	for (int64_t r = 0; B->steps > 0 && r < B->off[1]; r++) memset(B->a + r * L->KA, 0, sizeof(float) * (size_t)H);
	for (int64_t s = 0; s < B->steps; s++) {
		int64_t act = B->off[s + 1] - B->off[s], next = s + 1 < B->steps ? B->off[s + 2] - B->off[s + 1] : 0;
		int64_t at = train ? B->off[s] : (s & 1) * n, then = train ? B->off[s + 1] : n - at;
		int64_t before = s == 0 ? 0 : n + (train ? B->off[s - 1] : then), panel = (train ? B->N : n) * W4;
		float *z = B->g + (train ? at * W4 : 0);
		inputs(L, J, src, B, s, act, B->a + at * L->KA);
		products(L, z, panel, B->a + at * L->KA, act);
		cells(train, L, z, panel, B->c + before * H, B->c + (n + at) * H, B->tc + (train ? at * H : 0), act, next, B->a + then * L->KA, B->h);
	}
}

// head takes one row's h through both dense layers; it returns the logit, and the hidden layer in y[D]. A NaN stays.
INL float head(const vk_net *L, const float *h, float *y) {
	int64_t D = L->D;
	const float *k1 = L->p + L->J * L->K * W4, *b1 = k1 + L->H * D, *k2 = b1 + D;
	vf sum = {0};
	for (int64_t d = 0; d < D; d += VL) {
		vf s0 = ld(b1 + d), s1 = {0};
		for (int64_t u = 0; u < L->H; u += 2) {
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

static void CAT(infer, ISA)(const vk_net *L, const vk_job *J, int64_t b, float *s) {
	const int32_t *src = J->src + J->row[b], *at = J->at + J->row[b];
	block B;
	layout(&B, L, J, src, J->row[b + 1] - J->row[b], 0, s);
	forward(0, L, J, src, &B);
	for (int64_t r = 0; r < B.n; r++) {
		int64_t i = at[B.order[r]];
		double d, z = head(L, B.h + r * L->H, B.dense);
		J->probability[i] = (float)logistic(z);
		if (J->label) J->loss[i] = (float)loss(L, z, J->label[i], &d);
	}
}

// dropout fills keep[H] for a row of a step's batch: the scale, or 0. Philox 4×32-10 under the counter
// (unit/4, row, step, 2), as model/philox has it.
static void dropout(const vk_net *L, uint32_t row, uint32_t time, float *keep) {
	for (int64_t u = 0; u < L->H; u += 4) {
		uint32_t c[4] = {(uint32_t)(u / 4), row, time, 2}, k0 = L->key[0], k1 = L->key[1];
		for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
			uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
			uint32_t c1 = c[1], c3 = c[3];
			c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
			c[1] = (uint32_t)p1;
			c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
			c[3] = (uint32_t)p0;
		}
		for (int i = 0; i < 4; i++) keep[u + i] = c[i] >> 8 >= L->threshold ? L->keep : 0;
	}
}

// dh of a tile: R rows, V vectors of units, from rows of dz in the panels j0 … j1.
#define BACK(R, V) INL void back##R##V(float *dh, int64_t H, const float *dz, int64_t panel, const float *ut, int64_t panels, int add) { \
	vf acc[MR][4]; \
	if (add) load(R, V, acc, dh, H); else zero(R, V, acc); \
	for (int64_t j = 0; j < panels; j++) tile(R, V, acc, dz + j * panel, W4, 1, ut + j * W4 * V * VL, W4); \
	store(R, V, acc, dh, H); }
#define BACKS(R) BACK(R, 1) BACK(R, 2) BACK(R, 3) BACK(R, 4) \
	OUT void back##R(int V, float *dh, int64_t H, const float *dz, int64_t panel, const float *ut, int64_t panels, int add) { \
	switch (V) { \
	case 1: back##R##1(dh, H, dz, panel, ut, panels, add); break; \
	case 2: back##R##2(dh, H, dz, panel, ut, panels, add); break; \
	case 3: back##R##3(dh, H, dz, panel, ut, panels, add); break; \
	default: back##R##4(dh, H, dz, panel, ut, panels, add); } }
EACH_R(BACKS)

// derivatives turns the gates of the active rows into dz, and dc into the gradient by c before the step.
static void derivatives(const vk_net *L, float *G, int64_t panel, const float *c0, const float *tc, const float *dh, float *dc, int64_t act) {
	int64_t H = L->H;
	for (int64_t j = 0; j < H; j += VL)
		for (int64_t r = 0; r < act; r++) {
			float *z = G + j / VL * panel + r * W4;
			int64_t u = r * H + j;
			vf i = ld(z), f = ld(z + VL), g = ld(z + 2 * VL), o = ld(z + 3 * VL), t = ld(tc + u), d = ld(dh + u);
			vf e = ld(dc + u) + d * o * (1.f - t * t);
			st(z, e * g * (i - i * i));
			st(z + VL, e * ld(c0 + u) * (f - f * f));
			st(z + 2 * VL, e * i * (1.f - g * g));
			st(z + 3 * VL, d * t * (o - o * o));
			st(dc + u, e * f);
		}
}

#define WEIGHTS(R) OUT void weights##R(float *G, const float *a, int64_t KA, const float *dz, int64_t n, int add) { \
	vf acc[MR][4]; \
	if (add) load(R, 4, acc, G, W4); else zero(R, 4, acc); \
	tile(R, 4, acc, a, 1, KA, dz, n); \
	store(R, 4, acc, G, W4); }
EACH_R(WEIGHTS)

// headBackward takes one row's d(loss)/d(logit) back to dh[H], and adds the head's gradients to G.
static void headBackward(const vk_net *L, const block *B, float dz, float *G, float *dh) {
	int64_t H = L->H, D = L->D;
	const float *k2 = L->p + L->J * L->K * W4 + H * D + D;
	float *g1 = G + L->J * L->K * W4, *gb = g1 + H * D, *g2 = gb + D;
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

// gradient runs one block forward and back: probabilities and losses go to the job's places, the gradient of
// scale · sum(weight · loss) is written to G, or added with add set.
static void CAT(gradient, ISA)(const vk_net *L, const vk_job *J, int64_t b, double scale, uint32_t time, float *G, int add, float *s) {
	const int32_t *src = J->src + J->row[b], *at = J->at + J->row[b];
	int64_t H = L->H, lstm = L->J * L->K * W4;
	block B;
	layout(&B, L, J, src, J->row[b + 1] - J->row[b], 1, s);
	forward(1, L, J, src, &B);
	if (!add) {
		memset(G + lstm, 0, sizeof(float) * (size_t)(L->np - lstm));
		if (B.N == 0) memset(G, 0, sizeof(float) * (size_t)lstm);
	}
	for (int64_t r = 0; r < B.n; r++) {
		int64_t i = at[B.order[r]];
		const float *h = B.h + r * H;
		if (L->threshold) {
			dropout(L, (uint32_t)(i % J->batch), time, B.keep);
			for (int64_t u = 0; u < H; u++) B.hd[u] = B.keep[u] != 0 ? h[u] * B.keep[u] : 0;
		} else {
			memcpy(B.hd, h, sizeof(float) * (size_t)H);
		}
		double z = head(L, B.hd, B.dense), w = J->weight ? J->weight[i] : 1, d;
		J->loss[i] = (float)(w * loss(L, z, J->label[i], &d));
		J->probability[i] = (float)logistic(z);
		headBackward(L, &B, (float)(w * d * scale), G, B.dh + r * H);
	}
	memset(B.dc, 0, sizeof(float) * (size_t)(B.n * H));
	int64_t panel = B.N * W4;
	for (int64_t t = B.steps - 1; t >= 0; t--) {
		int64_t act = B.off[t + 1] - B.off[t], before = t == 0 ? 0 : B.n + B.off[t - 1];
		float *dz = B.g + B.off[t] * W4;
		derivatives(L, dz, panel, B.c + before * H, B.tc + B.off[t] * H, B.dh, B.dc, act);
		for (int64_t u = 0; u < H && t > 0; u += W4) {
			int V = u + W4 <= H ? 4 : (int)((H - u) / VL);
			int64_t most = CHUNK / (V * VL) > 0 ? CHUNK / (V * VL) : 1;
			for (int64_t j = 0; j < L->J; j += most) {
				int64_t panels = j + most < L->J ? most : L->J - j;
				for (int64_t r = 0, R1; r < act; r += R1) {
					R1 = height(act - r);
#define GO(R) back##R(V, B.dh + r * H + u, H, dz + j * panel + r * W4, panel, L->ut + u * 4 * H + j * W4 * V * VL, panels, j > 0)
					TILES(R1, GO)
#undef GO
				}
			}
		}
	}
	for (int64_t n0 = 0; n0 < B.N; n0 += NC) {
		int64_t n = n0 + NC < B.N ? NC : B.N - n0;
		for (int64_t j = 0; j < L->J; j++)
			for (int64_t k = 0, R1; k < L->K; k += R1) {
				R1 = height(L->K - k);
#define GO(R) weights##R(G + (j * L->K + k) * W4, B.a + n0 * L->KA + k, L->KA, B.g + j * panel + n0 * W4, n, add || n0 > 0)
				TILES(R1, GO)
#undef GO
			}
	}
}

// Parameters are worked on in pieces, which threads share: 16 rows of a panel, or so many vectors of the head.
#define PIECE 16
INL int64_t pieces(const vk_net *L) {
	int64_t head = L->np - L->J * L->K * W4;
	return L->J * ((L->K + PIECE - 1) / PIECE) + (head + PIECE * W4 - 1) / (PIECE * W4);
}
// piece returns where piece i begins and how many floats it has; j and k are its panel and first row, j = J in the head.
INL int64_t piece(const vk_net *L, int64_t i, int64_t *n, int64_t *j, int64_t *k) {
	int64_t per = (L->K + PIECE - 1) / PIECE, lstm = L->J * L->K * W4;
	*j = i / per < L->J ? i / per : L->J;
	if (*j == L->J) {
		int64_t at = lstm + (i - L->J * per) * PIECE * W4;
		*n = at + PIECE * W4 < L->np ? PIECE * W4 : L->np - at;
		return at;
	}
	*k = i % per * PIECE;
	*n = (*k + PIECE < L->K ? PIECE : L->K - *k) * W4;
	return (*j * L->K + *k) * W4;
}

// derived makes the other forms of a piece of the parameters: the forward pass's panels, and what goes back in time.
INL void derived(const vk_net *L, int64_t at, int64_t n, int64_t j, int64_t k0) {
	int64_t H = L->H, D = L->D, head = L->J * L->K * W4;
	if (j == L->J) { // dense/kernel transposed
		int64_t u = (at - head) / D, d = (at - head) % D;
		for (int64_t i = at; i < at + n && u < H; i++) {
			L->kt[d * H + u] = L->p[i];
			if (++d == D) d = 0, u++;
		}
		return;
	}
	for (int64_t i = at; i < at + n; i += W4)
		UNROLL for (int v = 0; v < 4; v++) st(L->w + i + v * VL, ld(L->p + i + v * VL) * (v == 2 ? 2 * LOG2E : -LOG2E));
	int64_t last = k0 + n / W4 < H ? k0 + n / W4 : H; // rows beyond are kernel and bias
	for (int64_t k = k0; k < last;) {
		int64_t u = k / W4 * W4, width = u + W4 <= H ? W4 : H - u, end = last < u + width ? last : u + width;
		float *to = L->ut + u * 4 * H + j * W4 * width;
		for (int64_t c = 0; c < W4; c++)
			for (int64_t i = k; i < end; i++) to[c * width + i - u] = L->p[at + (i - k0) * W4 + c];
		k = end;
	}
}
static void CAT(derive, ISA)(vk_net *L, int64_t part, int64_t parts) {
	int64_t all = pieces(L);
	for (int64_t i = all * part / parts; i < all * (part + 1) / parts; i++) {
		int64_t n, j, k = 0, at = piece(L, i, &n, &j, &k);
		derived(L, at, n, j, k);
	}
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

// square adds the squares of n values.
INL double square(const float *g, int64_t n) {
	double s = 0;
	for (int64_t i = 0; i < n; i++) s += (double)g[i] * g[i];
	return s;
}

// factors are what the gradient of each variable is multiplied with: recurrent_kernel, kernel, bias, then the head's.
static void factors(const vk_net *L, float f[7]) {
	double s[7] = {0}, total = 0;
	int64_t lstm = L->J * L->K * W4, H = L->H;
	for (int64_t j = 0; j < L->J; j++) {
		const float *g = L->grad + j * L->K * W4;
		s[0] += square(g, H * W4);
		s[1] += square(g + H * W4, L->F * W4);
		s[2] += square(g + (L->K - 1) * W4, W4);
	}
	const float *g = L->grad + lstm;
	s[3] = square(g, H * L->D);
	s[4] = square(g + H * L->D, L->D);
	s[5] = square(g + H * L->D + L->D, L->D);
	s[6] = square(g + H * L->D + 2 * L->D, VL);
	for (int i = 0; i < 7; i++) {
		double norm = sqrt(s[i]);
		total += s[i];
		f[i] = L->clip > 0 && !(norm <= L->clip) ? (float)(L->clip / norm) : 1;
	}
	if (L->global_clip > 0) {
		double n = sqrt(total), a = 1 / n, b = 1 / L->global_clip;
		for (int i = 0; i < 7; i++) f[i] = isnan(n) || isinf(n) ? NAN : (float)(L->global_clip * (a < b ? a : b));
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

// update takes the optimizer's step on one part of the parameters. lanes 0 means that the gradient is summed in the
// first lane, and is to be clipped.
static void CAT(update, ISA)(vk_net *L, int64_t lanes, float alpha, float decay, int64_t part, int64_t parts) {
	float f[7];
	int64_t all = pieces(L), lstm = L->J * L->K * W4, kernel = L->H, D = L->D;
	if (lanes == 0) factors(L, f);
	for (int64_t i = all * part / parts; i < all * (part + 1) / parts; i++) {
		int64_t n, j, k = 0, at = piece(L, i, &n, &j, &k);
		for (int64_t q = at; q < at + n; q += VL) {
			vf g = ld(L->grad + q);
			for (int64_t l = 1; l < lanes; l++) g += ld(L->grad + l * L->np + q);
			if (lanes == 0) {
				int64_t row = k + (q - at) / W4, h = q - lstm;
				float c = j < L->J ? f[row < kernel ? 0 : row < L->K - 1 ? 1 : 2]
					: f[h < L->H * D ? 3 : h < L->H * D + D ? 4 : h < L->H * D + 2 * D ? 5 : 6];
				if (c != 1) g *= c;
			}
			step(L, q, g, alpha, decay);
		}
		derived(L, at, n, j, k);
	}
}

static void CAT(activate, ISA)(int which, const float *x, float *y, int64_t n) {
	for (int64_t i = 0; i + VL <= n; i += VL) st(y + i, which ? tanh2(ld(x + i) * (2 * LOG2E)) : sigmoid2(ld(x + i) * -LOG2E));
}

// peak is a product that touches no memory: as many sums as hide the latency of an FMA.
static double CAT(peak, ISA)(int64_t rounds) {
	vf acc[12], x = all(0.999f), y = all(0.001f);
	UNROLL for (int i = 0; i < 12; i++) acc[i] = all((float)i);
	for (int64_t k = 0; k < rounds; k++) {
		_Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) acc[i] = acc[i] * x + y;
		__asm__ volatile("" : : "x"(acc[0]));
	}
	float s = 0;
	for (int i = 0; i < 12; i++) s += acc[i][0];
	return s;
}

const vk_isa *CAT(vk_isa, ISA)(int ok) {
	static vk_isa isa = { NAME, VL, 0, CAT(scratch, ISA), CAT(gradient, ISA), CAT(infer, ISA), CAT(sum, ISA), CAT(update, ISA),
		CAT(derive, ISA), CAT(activate, ISA), CAT(peak, ISA) };
	isa.ok = ok;
	return &isa;
}
